# A database: in a VM on its first disk, on Linux in the directory.
import ctypes, os, sqlite3, sys

directory = "."
libc = ctypes.CDLL(None, use_errno=True)
if os.path.exists("/dev/vda") and os.uname().release.endswith("mayfly"):
    directory = "/mnt"
    if libc.mount(b"/dev/vda", b"/mnt", b"ext2", 0, None):
        sys.exit(os.strerror(ctypes.get_errno()))
rows = int(sys.argv[1])
db = sqlite3.connect(directory + "/file.db")
db.execute("create table t(id integer primary key, k integer, name text, v real)")
db.executemany("insert into t values(?,?,?,?)",
               ((i, i * 7919 % 1000003, f"name-{i % 1000}", i * 0.5) for i in range(rows)))
db.commit()
db.execute("create index tk on t(k)")
db.execute("delete from t where id % 7 = 0")
db.commit()
db.execute("delete from t")
db.rollback()
print(db.execute("select count(*), sum(k), min(v), max(v) from t").fetchone())
for row in db.execute("select name, count(*), sum(v) from t group by name order by 3 desc limit 5"):
    print(row)
print(db.execute("pragma integrity_check").fetchone())
# the index of a write-ahead log is memory that two connections share; so is the file
db.execute("pragma mmap_size=268435456")
print(db.execute("pragma journal_mode=wal").fetchone())
other = sqlite3.connect(directory + "/file.db")
for i in range(20):
    db.execute("update t set name = ? where id = ?", (f"log-{i}", i * 7 + 1))
    db.commit()
    print(other.execute("select count(*) from t where name like 'log%'").fetchone(), end="")
print(other.execute("pragma wal_checkpoint(truncate)").fetchone())
other.close()
print(db.execute("pragma integrity_check").fetchone())
db.close()
print(os.listdir(directory).count("file.db"), os.listdir(directory).count("file.db-journal"))
if directory == "/mnt" and libc.umount2(b"/mnt", 0):
    sys.exit(os.strerror(ctypes.get_errno()))
