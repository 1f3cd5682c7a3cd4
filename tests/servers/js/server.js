// A real socket.io server. Every event comes back: as its acknowledgement when it asks for one, as the
// same event otherwise. `silent` is never answered.
//
// `/admin` refuses whoever shows the token `bad`, be it in `auth` or in the query.
//
// Settings:
// * `notify`: the arguments of `notification` events each namespace sends at once to whoever joins it;
// * `hold`: names of events whose acknowledgements are held back until the command `release`;
// * `maxAttachments`: how many the JSON parser takes;
// * `root`: how the root namespace lets people in: "later", which is after a turn of the loop, or
//   "never", saying "root denied"; at once otherwise.
//
// The option `parser` is a name: "msgpack" is the package socket.io-msgpack-parser.
"use strict";

const { cut, dependency, fromBytes, log, options, recordSession, serve, settings, socketIo } = require("./harness");
const library = require(socketIo);

// Before release 3 the module is the server.
const Server = library.Server ?? library;

if (options.parser) options.parser = require(`socket.io-${options.parser}-parser`);

let io;
const held = [];
let holding = true;

const OPEN_TO_ALL = ["/", "/admin", "/zbaehwg", "/zbaehwg/callback", "/notifications"];

function welcome(socket) {
  const namespace = socket.nsp.name;
  const { auth, query } = socket.handshake;
  log("connect", { namespace, id: socket.id, auth, query, recovered: socket.recovered });
  socket.on("disconnect", (reason) => log("disconnect", { namespace, reason }));
  // Never passed on: listeners of its own are the one thing that this server does not have.
  socket.use(([name, ...args]) => {
    const acknowledge = typeof args.at(-1) === "function" ? args.pop() : undefined;
    log("event", { namespace, name, args: fromBytes(args), ack: acknowledge !== undefined });
    if (name === "silent") return;
    if (acknowledge && holding && settings.hold?.includes(name)) {
      held.push(() => acknowledge(...args));
      return;
    }
    if (acknowledge) acknowledge(...args);
    else socket.emit(name, ...args);
  });
  for (const argument of settings.notify ?? []) socket.emit("notification", argument);
}

// The JSON parser, where it has another limit than by default.
function generousParser() {
  if (!settings.maxAttachments) return {};
  const { Encoder, Decoder } = require(dependency("socket.io-parser", socketIo));
  class Generous extends Decoder {
    constructor() {
      super({ maxAttachments: settings.maxAttachments });
    }
  }
  return { parser: { Encoder, Decoder: Generous } };
}

function start(httpServer) {
  io = new Server({ serveClient: false, ...generousParser(), ...options });
  for (const name of OPEN_TO_ALL) io.of(name).on("connection", welcome);
  if (settings.root === "later") io.use((_socket, next) => setImmediate(next));
  if (settings.root === "never") io.use((_socket, next) => next(new Error("root denied")));
  io.of("/admin").use(({ handshake: { auth, query } }, next) => {
    const token = auth?.token ?? query.token;
    next(token === "bad" ? new Error("not authorized") : undefined);
  });
  io.of("/refused").use((_socket, next) => {
    const error = new Error("not authorized");
    error.data = { code: "E1" };
    next(error);
  });
  // Never answered: neither accepted nor refused.
  io.of("/undecided").use(() => {});
  // Only now: release 2 looks at the middleware of the root when it is attached.
  io.attach(httpServer, { serveClient: false, ...options });
  io.engine.on("connection", recordSession);
  return io.engine;
}

// Does `action` to each socket of the namespace, and says how many there were.
function each(namespace, action) {
  const { sockets } = io.of(namespace);
  const present = sockets instanceof Map ? [...sockets.values()] : Object.values(sockets);
  present.forEach(action);
  return present.length;
}

// A volatile event that cannot leave at once is lost: by polling, where the next poll has not come yet.
function whenWritable(conn, action) {
  if (conn.transport.writable) action();
  else if (conn.readyState === "open") setImmediate(whenWritable, conn, action);
}

serve(start, {
  emit({ namespace = "/", event, args = [], volatile = false }) {
    return each(namespace, (socket) => {
      if (volatile) whenWritable(socket.conn, () => socket.volatile.emit(event, ...args));
      else socket.emit(event, ...args);
    });
  },

  // To whoever is in the namespace, and, with `connectionStateRecovery`, to whoever comes back to it.
  broadcast({ namespace = "/", event, args = [] }) {
    io.of(namespace).emit(event, ...args);
  },

  // Every TCP connection is cut, and the server learns it: by polling, between two requests, it would only miss the
  // next one. Before anybody can be back the event numbered from `first` on is broadcast.
  "cut and broadcast"({ namespace = "/", event, first, count }) {
    const reached = cut();
    each(namespace, ({ conn }) => conn.transport.onError("cut"));
    for (let number = first; number < first + count; number++) io.of(namespace).emit(event, number);
    return reached;
  },

  // What was held back is acknowledged, the oldest first; from now on nothing is held.
  release() {
    holding = false;
    held.forEach((acknowledge) => acknowledge());
    return held.length;
  },

  // Engine.IO messages as they stand here, and behind them the end of the WebSocket.
  "raw and close"({ namespace = "/", messages }) {
    return each(namespace, ({ conn }) => {
      messages.forEach((message) => conn.send(message));
      conn.transport.socket.close();
    });
  },

  // The event numbered 0..count, each followed by nothing; then an end of the asked kind, at once.
  burst({ namespace = "/", event, count, then }) {
    return each(namespace, (socket) => {
      for (let number = 0; number < count; number++) socket.emit(event, number);
      if (then === "disconnect") socket.disconnect();
      if (then === "close engine") socket.conn.close();
    });
  },

  // What comes back is recorded as "answer".
  ask({ namespace = "/", event, args = [] }) {
    return each(namespace, (socket) => {
      socket.emit(event, ...args, (...answer) => {
        log("answer", { namespace, event, args: fromBytes(answer) });
      });
    });
  },

  disconnect({ namespace = "/", close = false }) {
    return each(namespace, (socket) => socket.disconnect(close));
  },

  // The Engine.IO session ends; no Socket.IO packet says so.
  "close engine"() {
    const sessions = Object.values(io.engine.clients);
    sessions.forEach((session) => session.close());
    return sessions.length;
  },
});
