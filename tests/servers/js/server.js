// A real socket.io server. Every event comes back: as its acknowledgement when it asks for one, as the
// same event otherwise. `silent` is never answered.
//
// Settings: `notify`, the arguments of `notification` events each namespace sends at once to
// whoever joins it.
"use strict";

const { Server } = require("socket.io");
const { RecordingWebSocketServer, fromBytes, log, options, recordSession, serve, settings } =
  require("./harness");

let io;

const OPEN_TO_ALL = ["/", "/admin", "/zbaehwg", "/zbaehwg/callback", "/notifications"];

function welcome(socket) {
  const namespace = socket.nsp.name;
  log("connect", { namespace, id: socket.id, auth: socket.handshake.auth });
  socket.on("disconnect", (reason) => log("disconnect", { namespace, reason }));
  socket.onAny((name, ...args) => {
    const acknowledge = typeof args.at(-1) === "function" ? args.pop() : undefined;
    log("event", { namespace, name, args: fromBytes(args), ack: acknowledge !== undefined });
    if (name === "silent") return;
    if (acknowledge) acknowledge(...args);
    else socket.emit(name, ...args);
  });
  for (const argument of settings.notify ?? []) socket.emit("notification", argument);
}

function start(httpServer) {
  io = new Server(httpServer, {
    serveClient: false,
    wsEngine: RecordingWebSocketServer,
    ...options,
  });
  io.engine.on("connection", recordSession);
  for (const name of OPEN_TO_ALL) io.of(name).on("connection", welcome);
  io.of("/refused").use((_socket, next) => {
    const error = new Error("not authorized");
    error.data = { code: "E1" };
    next(error);
  });
  // Never answered: neither accepted nor refused.
  io.of("/undecided").use(() => {});
  return io.engine;
}

// Does `action` to each socket of the namespace, and says how many there were.
function each(namespace, action) {
  const sockets = [...io.of(namespace).sockets.values()];
  sockets.forEach(action);
  return sockets.length;
}

serve(start, {
  emit({ namespace = "/", event, args = [] }) {
    return each(namespace, (socket) => socket.emit(event, ...args));
  },

  // The event numbered 0..count, each followed by nothing; then an end of the asked kind, at once.
  burst({ namespace = "/", event, count, then }) {
    return each(namespace, (socket) => {
      for (let number = 0; number < count; number++) socket.emit(event, number);
      if (then === "disconnect") socket.disconnect();
      if (then === "close engine") socket.conn.close();
    });
  },

  // What comes back is recorded as "answer" (or "no answer" after `timeout` milliseconds).
  ask({ namespace = "/", event, args = [], timeout = 30_000 }) {
    return each(namespace, (socket) => {
      socket.timeout(timeout).emit(event, ...args, (error, ...answer) => {
        if (error) log("no answer", { namespace, event });
        else log("answer", { namespace, event, args: fromBytes(answer) });
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
