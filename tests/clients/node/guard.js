// Loaded before a script: the process can then reach nothing but this machine.
import net from "node:net";

const local = new Set(["localhost", "127.0.0.1", "::1", undefined]);
const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function (...given) {
  const options = Array.isArray(given[0]) ? given[0][0] : given[0];
  const host = typeof options === "object" ? options.host : given[1];
  if (!local.has(host)) {
    console.error(`beyond this machine: ${host}`);
    throw new Error(`beyond this machine: ${host}`);
  }
  return connect.apply(this, given);
};
