# What Python's library makes of the system: threads, sockets, an event loop, a
# database, files, signals.
import asyncio, hashlib, json, mmap, os, re, selectors, signal, socket, sqlite3
import struct, sys, tempfile, threading, time, zlib

print(json.dumps({"a": [1, 2.5, None, True], "ü": "\u20ac"}, sort_keys=True))
print(re.findall(r"(\w+)=(\d+)", "x=1 yy=22 z=zz"))
for name in ("md5", "sha1", "sha256", "sha3_256", "blake2b"):
    print(name, hashlib.new(name, b"abc" * 1000).hexdigest())

# threads
lock, total = threading.Lock(), 0

def work(n):
    global total
    for _ in range(1000):
        with lock:
            total += n

threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
event = threading.Event()
print(total, event.wait(0.01), threading.active_count())

# sockets
server = socket.create_server(("127.0.0.1", 0))

def shout():
    peer, _ = server.accept()
    while data := peer.recv(4096):
        peer.sendall(data.upper())
    peer.close()

thread = threading.Thread(target=shout)
thread.start()
with socket.create_connection(server.getsockname()) as client:
    client.sendall(b"hello")
    print(client.recv(10), type(selectors.DefaultSelector()).__name__)
thread.join()
try:
    socket.create_connection(("127.0.0.1", 1), timeout=1)
except OSError as error:
    print(error)

# an event loop
async def reverse(reader, writer):
    while line := await reader.readline():
        writer.write(line[::-1])
        await writer.drain()
    writer.close()

async def ask(port, i):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"line %d\n" % i)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer

async def main():
    listener = await asyncio.start_server(reverse, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(ask(port, i) for i in range(20))))
    print(await asyncio.to_thread(lambda: threading.current_thread() is threading.main_thread()))
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.02)
    except asyncio.TimeoutError:
        print("timeout")
    loop, got = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait()
    print("signal")
    listener.close()

asyncio.run(main())

# files, a database
with tempfile.TemporaryDirectory() as directory:
    for journal in ("delete", "wal", "memory"):
        db = sqlite3.connect(f"{directory}/{journal}.db")
        print(db.execute(f"pragma journal_mode={journal}").fetchone())
        db.execute("create table t(a, b)")
        db.executemany("insert into t values(?,?)", ((i, str(i)) for i in range(2000)))
        db.commit()
        print(db.execute("select count(*), sum(a) from t").fetchone())
        db.close()
    print(sorted(os.listdir(directory)))
    with open(directory + "/map", "w+b") as file:
        file.truncate(10000)
        with mmap.mmap(file.fileno(), 0) as memory:
            memory[5000:5005] = b"bytes"
            memory.flush()
        file.seek(4999)
        print(file.read(7))

print(zlib.crc32(b"x" * 100000), struct.pack(">I", 7), time.time() > 1.7e9, sys.getrecursionlimit())
