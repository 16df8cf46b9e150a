// Loaded before a script: the process can then reach nothing but this machine.
import net from "node:net";

const local = new Set(["localhost", "127.0.0.1", "::1", undefined]);
const { connect } = net.Socket.prototype;

net.Socket.prototype.connect = function (...given) {
  const [first] = Array.isArray(given[0]) ? given[0] : given;
  const host = typeof first === "object" ? first.host : given[1];
  if (!local.has(host)) throw new Error(`beyond this machine: ${host}`);
  return connect.apply(this, given);
};
