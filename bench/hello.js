// An HTTP server as node's manual begins: for bench/apps.sh.
require("http").createServer((request, response) => response.end("hello\n")).listen(8080);
process.on("SIGTERM", () => process.exit(0));
