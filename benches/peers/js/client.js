// One run of the JavaScript client: `node client.js receive|emit <url> <part>`. Prints the outcome as JSON.
"use strict";

const { io } = require("socket.io-client");

const PARTS = 10;
const [task, url, argument] = process.argv.slice(2);
const part = Number(argument);
const total = part * PARTS;

setTimeout(() => fail("it has stopped"), 60_000).unref();

const socket = io(url, { transports: ["websocket"], reconnection: false });
socket.on("connect_error", fail);
socket.on("disconnect", fail);

let started, cpu;

function start() {
  cpu = process.cpuUsage();
  started = process.hrtime.bigint();
}

function finish() {
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  const outcome = { events: total, seconds, cpu_seconds: (user + system) / 1e6 };
  console.log(JSON.stringify(outcome));
  process.exit(0);
}

function fail(error) {
  console.error(String(error));
  process.exit(1);
}

function receive() {
  let received = 0;
  let sum = 0;
  socket.on("msg", (message) => {
    sum += message.id;
    received += 1;
    if (received === part) {
      start();
    } else if (received === part + total) {
      finish();
    }
  });
}

// Lets the client write what it has every thousand events, as a program must that has much to send.
async function emit(count) {
  for (let number = 0; number < count; number += 1) {
    socket.emit("msg", { id: 10_000 + (number % 90_000), name: "x" });
    if (number % 1000 === 999) {
      await new Promise(setImmediate);
    }
  }
}

// The server says `done` after each part.
function emitting() {
  let parts = 0;
  socket.on("connect", () => emit(part));
  socket.on("done", () => {
    parts += 1;
    if (parts === 1) {
      start();
      emit(total);
    } else if (parts === PARTS + 1) {
      finish();
    }
  });
}

if (task === "receive") {
  receive();
} else {
  emitting();
}
