/** A web server on this machine for the time of a test: folders, or answers of the test's own. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface Served {
  readonly url: string;
  readonly requests: string[];
  close(): Promise<void>;
}

export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<Served> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    void answer(request, response);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((closed) => {
      server.closeAllConnections();
      server.close(() => closed());
    });
  return { url: `http://127.0.0.1:${port}`, requests, close };
}

/** Answers with a file of a folder, 404 where there is none. */
export async function sendFile(folder: string, path: string, response: ServerResponse): Promise<void> {
  const file = join(folder, decodeURIComponent(path));
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-length": found.size });
  if (response.req.method === "HEAD") response.end();
  else createReadStream(file).pipe(response);
}
