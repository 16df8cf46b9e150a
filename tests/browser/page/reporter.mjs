// One line of JSON for each test that ended: test_page.py reads them.
export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const error = data.details?.error;
    const reason = error && String(error.cause?.stack ?? error.cause ?? error.stack ?? error).slice(0, 3000);
    yield `${JSON.stringify({ name: data.name, passed: type === "test:pass", skip: data.skip ?? null, reason })}\n`;
  }
}
