// Node: an HTTP server and its client, promises, timers, a worker, files, crypto.
'use strict';
const crypto = require('crypto'), fs = require('fs'), http = require('http');
const zlib = require('zlib'), { Worker } = require('worker_threads');

const server = http.createServer((request, response) => {
	let body = '';
	request.on('data', (part) => body += part);
	request.on('end', () => response.end(`${request.method} ${request.url} ${body.toUpperCase()}`));
});

function ask(port, i)
{
	return new Promise((resolve, reject) => {
		const request = http.request({ port, host: '127.0.0.1', method: 'POST', path: `/${i}` }, (r) => {
			let body = '';
			r.on('data', (part) => body += part);
			r.on('end', () => resolve(body));
		});
		request.on('error', reject);
		request.end(`body ${i}`);
	});
}

async function main()
{
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	const answers = [...Array(30).keys()].map((i) => ask(server.address().port, i));
	console.log((await Promise.all(answers)).join('\n'));
	server.close();
	server.closeAllConnections();
	console.log(crypto.createHash('sha256').update('abc').digest('hex'));
	const file = `/tmp/node.${process.pid}`;
	await fs.promises.writeFile(file, 'x'.repeat(100000));
	console.log((await fs.promises.readFile(file)).length);
	await fs.promises.unlink(file);
	console.log(zlib.gunzipSync(zlib.gzipSync('hello')).toString());
	const worker = new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", { eval: true });
	console.log(await new Promise((resolve) => worker.on('message', resolve)));
	let sum = 0;
	for (let i = 0; i < 5e6; i++)
		sum += i % 7;
	console.log(sum);
	await new Promise((resolve) => setTimeout(resolve, 20));
	console.log('timer');
}
main();
