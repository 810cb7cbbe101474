// One operation of jsftp: HOST PORT USER PASSWORD OPERATION ARGUMENTS...
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const { once } = require("node:events");
const { promisify } = require("node:util");
const JsFtp = require("jsftp");

const [host, port, user, pass, operation, ...words] = process.argv.slice(1);
const ftp = new JsFtp({ host, port: Number(port), user, pass });
const call = (method, ...args) => promisify(ftp[method]).call(ftp, ...args);
const raw = (...args) => call("raw", ...args);

const open = (remote) => call("getGetSocket", remote);

async function save(stream, local, flags) {
    const file = fs.createWriteStream(local, { flags });
    stream.pipe(file);
    await once(file, "close");
}

const operations = {
    // It lists by STAT, on the control connection, and by LIST.
    async list(argument) {
        const directory = argument || ".";
        const entries = await call("ls", directory);
        const lines = await call("list", directory);
        for (const entry of entries) {
            console.log(entry.name);
            assert(lines.includes(entry.name), lines);
        }
    },
    async fetch(remote, local) {
        await save(await open(remote), local, "w");
    },
    async store(local, remote) {
        const bytes = fs.readFileSync(local);
        await call("put", bytes, remote);
    },
    async rename(from, to) {
        await call("rename", from, to);
    },
    async delete(remote) {
        await raw("dele", remote);
    },
    async make_directory(remote) {
        await raw("mkd", remote);
        await raw("cwd", remote);
        assert((await raw("pwd")).text.includes(`"/${remote}"`));
    },
    async remove_directory(remote) {
        await raw("rmd", remote);
    },
    async set_time(remote, time) {
        await raw("mfmt", time, remote);
        assert((await raw("mdtm", remote)).text.includes(time));
    },
    // Its way to break off is to close the data connection; the 426 belongs to no command.
    async abort_then_fetch(large, remote, local) {
        const data = await open(large);
        const ended = once(ftp, "data");
        data.destroy();
        assert.equal((await ended)[0].code, 426);
        await operations.fetch(remote, local);
    },
};

async function main() {
    ftp.on("error", (error) => {
        throw error;
    });
    await operations[operation](...words);
    // `put` is done when its socket is closed, the server when it has answered this.
    await raw("noop");
    await raw("quit");
    ftp.destroy();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
