// One operation of basic-ftp: HOST PORT USER PASSWORD clear|explicit|explicit_1.2|implicit OPERATION ARGUMENTS...
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { Writable } = require("node:stream");
const { Client } = require("basic-ftp");

// Of an empty file over TLS this client may end the connection before the handshake is over, or
// before it has announced the end: once in some hundred times the server says so, and the user
// tries again.
async function patiently(upload) {
    for (let left = 3; ; left -= 1) {
        try {
            return await upload();
        } catch (error) {
            if (left === 0 || ![426, 522].includes(error.code)) {
                throw error;
            }
        }
    }
}

const operations = {
    async list(ftp, directory) {
        const entries = await ftp.list(directory);
        for (const entry of entries) {
            console.log(entry.name);
            if (entry.isFile) {
                assert.equal(await ftp.size(path.posix.join(directory, entry.name)), entry.size);
            }
        }
    },
    fetch: (ftp, remote, local) => ftp.downloadTo(local, remote),
    store(ftp, local, remote) {
        const upload = () => ftp.uploadFrom(local, remote);
        return fs.statSync(local).size === 0 ? patiently(upload) : upload();
    },
    append: (ftp, local, remote) => ftp.appendFrom(local, remote),
    resume_fetch: (ftp, remote, local, offset) => ftp.downloadTo(local, remote, Number(offset)),
    // Its way to go on with an upload is to append what is missing.
    async resume_store(ftp, local, remote, offset) {
        assert.equal(await ftp.size(remote), Number(offset));
        await ftp.appendFrom(local, remote, { localStart: Number(offset) });
    },
    rename: (ftp, from, to) => ftp.rename(from, to),
    delete: (ftp, remote) => ftp.remove(remote),
    async make_directory(ftp, remote) {
        await ftp.ensureDir(remote);
        assert.equal(await ftp.pwd(), "/" + remote);
        await ftp.ensureDir("/" + remote);
    },
    async remove_directory(ftp, remote) {
        await ftp.ensureDir(remote + "/deeper");
        await ftp.cd("/");
        await ftp.removeDir(remote);
    },
    fetch_tree: (ftp, remote, local) => ftp.downloadToDir(local, remote),
    store_tree: (ftp, local, remote) => patiently(() => ftp.uploadFromDir(local, remote)),
    async set_time(ftp, remote, time) {
        await ftp.send(`MFMT ${time} ${remote}`);
        const digits = /^(....)(..)(..)(..)(..)(..)$/.exec(time).slice(1).map(Number);
        assert.equal(
            (await ftp.lastMod(remote)).getTime(),
            Date.UTC(digits[0], digits[1] - 1, ...digits.slice(2)),
        );
    },
    // A client of this library is closed by an error: it logs in again with the same object.
    async abort_then_fetch(ftp, large, remote, local, log_in) {
        const reluctant = new Writable({
            write(_chunk, _encoding, done) {
                done(new Error("enough"));
            },
        });
        await assert.rejects(ftp.downloadTo(reluctant, large), /enough/);
        assert(ftp.closed);
        await log_in();
        await ftp.downloadTo(local, remote);
    },
};

async function main([host, port, user, password, security, operation, ...words]) {
    const ftp = new Client(30000);
    const secure = { clear: false, implicit: "implicit" }[security] ?? true;
    // The server's certificate is of its own making.
    const secureOptions = { rejectUnauthorized: false };
    if (security === "explicit_1.2") {
        secureOptions.maxVersion = "TLSv1.2";
    }
    const log_in = () =>
        ftp.access({ host, port: Number(port), user, password, secure, secureOptions });
    try {
        await log_in();
        assert((await ftp.features()).has("MLST"));
        await operations[operation](ftp, ...words, log_in);
    } finally {
        ftp.close();
    }
}

main(process.argv.slice(1)).catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
