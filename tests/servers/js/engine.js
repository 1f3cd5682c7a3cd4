// A real engine.io server. It sends back each message it receives, as it came.
//
// Settings:
// * `mute`, true: send nothing back;
// * `stream`, a number: from the opening on send `s0`, `s1`, … as fast as the loop turns, that many more
//   after the upgrade, then `end`;
// * `forbid`, a text: refuse everybody with it.
"use strict";

const { engineIo, options, recordSession, serve, settings } = require("./harness");
const { Server } = require(engineIo);

let engine;

function stream(socket) {
  let number = 0;
  const timer = setInterval(() => socket.send(`s${number++}`), 1);
  socket.once("upgrade", () => {
    clearInterval(timer);
    for (let left = settings.stream; left > 0; left--) socket.send(`s${number++}`);
    socket.send("end");
  });
  socket.once("close", () => clearInterval(timer));
}

function start(httpServer) {
  const allowRequest = (_request, answer) => answer(settings.forbid, !settings.forbid);
  engine = new Server({ allowRequest, ...options });
  engine.attach(httpServer, options);
  engine.on("connection", (socket) => {
    recordSession(socket);
    if (!settings.mute) socket.on("message", (data) => socket.send(data));
    if (settings.stream) stream(socket);
  });
  return engine;
}

function each(action) {
  const sockets = Object.values(engine.clients);
  sockets.forEach(action);
  return sockets.length;
}

serve(start, {
  send({ message }) {
    return each((socket) => socket.send(message));
  },

  // The messages `prefix`0 … and a close behind them, in one turn of the loop.
  "send and close"({ prefix, count }) {
    return each((socket) => {
      for (let number = 0; number < count; number++) socket.send(`${prefix}${number}`);
      socket.close();
    });
  },

  close() {
    return each((socket) => socket.close());
  },

  // As a balancer does that sends a session's next request to another machine.
  forget() {
    return each((socket) => delete engine.clients[socket.id]);
  },
});
