// What both servers share: one JSON line on standard output for everything the server saw, one JSON
// line on standard input for each command, and an end when standard input closes.
"use strict";

const http = require("node:http");
const path = require("node:path");
const readline = require("node:readline");

// The release of socket.io, and the harness's own settings; everything else in the argument is an option
// of the server under test.
const { server: release = "4.8", port = 0, settings = {}, ...options } =
  JSON.parse(process.argv[2] ?? "{}");

// Each release brings its own engine.io, and that its own ws.
const socketIo = require.resolve(`socket.io-${release}`);
const engineIo = dependency("engine.io", socketIo);

function dependency(name, dependent) {
  return require.resolve(name, { paths: [path.dirname(dependent)] });
}

// A line says what was seen, not all of it: a 300 KB body is recorded by its start and its length.
const MAX_LOGGED = 4096;

// With the setting `quiet`, for what comes by the thousand, only what the tests' side waits for by itself is told.
const ALWAYS_TOLD = ["listening", "done", "failed"];

function log(what, fields = {}) {
  if (settings.quiet && !ALWAYS_TOLD.includes(what)) return;
  process.stdout.write(JSON.stringify({ what, ...fields }) + "\n");
}

// Text as `text`, bytes as `hex`, both cut, with the full length in bytes.
function content(data) {
  if (data === undefined) return { text: "", length: 0 };
  if (typeof data === "string") {
    return { text: data.slice(0, MAX_LOGGED), length: Buffer.byteLength(data) };
  }
  const bytes = Buffer.from(data);
  return { hex: bytes.toString("hex").slice(0, MAX_LOGGED), length: bytes.length };
}

// JSON has no bytes: in lines and commands they stand as {"$hex":"…"}.
function fromBytes(value) {
  if (Buffer.isBuffer(value)) return { $hex: value.toString("hex") };
  if (typeof value === "string") return value.slice(0, MAX_LOGGED);
  if (Array.isArray(value)) return value.map(fromBytes);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, fromBytes(v)]));
  }
  return value;
}

function toBytes(value) {
  if (Array.isArray(value)) return value.map(toBytes);
  if (value !== null && typeof value === "object") {
    if (typeof value.$hex === "string") return Buffer.from(value.$hex, "hex");
    return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, toBytes(v)]));
  }
  return value;
}

// Records every WebSocket message as it came off the wire, the probe's included: those never reach
// the engine's own `packet` event.
function recordFrames({ Server: WebSocketServer }) {
  const { handleUpgrade } = WebSocketServer.prototype;
  WebSocketServer.prototype.handleUpgrade = function (request, socket, head, done) {
    handleUpgrade.call(this, request, socket, head, (webSocket, ...rest) => {
      // Before ws 8 the type of the data says whether it is text.
      webSocket.on("message", (data, isBinary = typeof data !== "string") => {
        log("frame", content(isBinary ? data : data.toString()));
      });
      webSocket.on("close", (code) => log("websocket closed", { code }));
      done(webSocket, ...rest);
    });
  };
}

function recordRequest(request) {
  const { method, url: target, headers } = request;
  log("request", { method, target, headers });
  if (method !== "POST") return;
  const chunks = [];
  // The engine may have asked for text.
  request.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
  request.on("end", () => log("body", { target, ...content(Buffer.concat(chunks).toString()) }));
}

const connections = new Set();

function recordConnections(server) {
  server.on("connection", (connection) => {
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
  });
}

// Every TCP connection ends at once, without a word of any protocol above.
function cut() {
  connections.forEach((connection) => connection.destroy());
  return connections.size;
}

let sessions = 0;

// Everything one Engine.IO session does.
function recordSession(socket) {
  const session = ++sessions;
  const transport = () => socket.transport.name;
  log("session", { session, transport: transport() });
  socket.on("packet", ({ type, data }) => {
    log("packet", { session, transport: transport(), type, ...content(data) });
  });
  socket.on("packetCreate", ({ type, data }) => {
    log("sent", { session, transport: transport(), type, ...content(data) });
  });
  socket.on("upgrade", () => log("upgraded", { session, transport: transport() }));
  socket.on("close", (reason, cause) => {
    log("closed", { session, reason, cause: cause?.description?.message ?? cause?.message });
  });
  return session;
}

const common = { cut };

// Serves `attach(httpServer)`, which returns the Engine.IO server, and obeys `commands` by name.
function serve(attach, commands) {
  const server = http.createServer((_request, response) => response.writeHead(404).end());
  const engine = attach(server);
  recordConnections(server);
  engine.on("connection_error", ({ code, message }) => log("refused", { code, message }));
  server.prependListener("request", recordRequest);
  // Nobody else listening means no WebSocket transport, and then Node hands upgrades over as requests.
  if (server.listenerCount("upgrade") > 0) {
    server.prependListener("upgrade", ({ url: target, headers }) => {
      log("upgrade", { target, headers });
    });
  }
  server.on("error", (error) => {
    log("failed", { message: error.message });
    process.exit(1);
  });
  server.listen(port, "127.0.0.1", () => log("listening", { port: server.address().port }));

  const input = readline.createInterface({ input: process.stdin });
  input.on("line", (line) => {
    const { id, command, ...args } = JSON.parse(line);
    // Lines come in order, so the answer to `sync` says that nothing seen so far is still on its way.
    const reached = command === "sync" ? undefined : (commands[command] ?? common[command])(toBytes(args));
    log("done", { id, reached });
  });
  input.on("close", () => process.exit(0));
}

process.stdout.on("error", () => process.exit(0));
process.on("uncaughtException", (error) => {
  log("failed", { message: error.stack });
  process.exit(1);
});

recordFrames(require(dependency("ws", engineIo)));

module.exports = {
  cut,
  dependency,
  engineIo,
  fromBytes,
  log,
  options,
  recordSession,
  serve,
  settings,
  socketIo,
};
