"""One operation of aioftp: HOST PORT USER PASSWORD OPERATION ARGUMENTS..."""

import asyncio
import pathlib
import sys

import aioftp


async def list(ftp, directory):
    facts = {path.name: info async for path, info in ftp.list(directory)}
    lines = {path.name: info async for path, info in ftp.list(directory, raw_command="LIST")}
    assert set(facts) == set(lines), (facts, lines)
    for name, info in facts.items():
        print(name)
        assert info["type"] == lines[name]["type"], (info, lines[name])
        if info["type"] == "file":
            assert info["size"] == lines[name]["size"], (info, lines[name])


async def fetch(ftp, remote, local):
    await ftp.download(remote, local, write_into=True)


async def store(ftp, local, remote):
    await ftp.upload(local, remote, write_into=True)


async def append(ftp, local, remote):
    async with ftp.append_stream(remote) as stream:
        await stream.write(pathlib.Path(local).read_bytes())


async def resume_fetch(ftp, remote, local, offset):
    with open(local, "ab") as file:
        async with ftp.download_stream(remote, offset=int(offset)) as stream:
            async for block in stream.iter_by_block():
                file.write(block)


async def resume_store(ftp, local, remote, offset):
    async with ftp.upload_stream(remote, offset=int(offset)) as stream:
        await stream.write(pathlib.Path(local).read_bytes()[int(offset):])


async def rename(ftp, old, new):
    await ftp.rename(old, new)


async def delete(ftp, remote):
    assert await ftp.is_file(remote)
    await ftp.remove(remote)
    assert not await ftp.exists(remote)


async def make_directory(ftp, remote):
    await ftp.make_directory(remote)
    assert await ftp.is_dir(remote)
    before = await ftp.get_current_directory()
    await ftp.change_directory(remote)
    assert await ftp.get_current_directory() == before / remote
    await ftp.change_directory()


async def remove_directory(ftp, remote):
    await ftp.remove_directory(remote)


async def fetch_tree(ftp, remote, local):
    await ftp.download(remote, local, write_into=True)


async def store_tree(ftp, local, remote):
    await ftp.change_directory(pathlib.PurePosixPath(remote).parent)
    await ftp.upload(local)


async def set_time(ftp, remote, time):
    await ftp.command(f"MFMT {time} {remote}", "213")
    assert (await ftp.stat(remote))["modify"] == time


async def abort_then_fetch(ftp, large, remote, local):
    stream = await ftp.download_stream(large)
    assert len(await stream.read(1000)) > 0
    await ftp.abort()
    stream.close()
    await fetch(ftp, remote, local)


async def main(host, port, user, password, operation, *arguments):
    async with aioftp.Client.context(host, int(port), user, password, socket_timeout=30) as ftp:
        await globals()[operation](ftp, *arguments)


asyncio.run(main(*sys.argv[1:]))
