// Creates a container in Azurite. usage: azure_container.mjs PORT ACCOUNT KEY CONTAINER
import { createHmac } from "node:crypto";

const [port, account, key, container] = process.argv.slice(2);
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-08-06" };
const signed = [
  "PUT",
  ...Array(11).fill(""), // The standard headers, none of which is sent.
  ...Object.entries(headers).map(([name, value]) => `${name}:${value}`),
  `/${account}/${account}/${container}`,
  "restype:container",
].join("\n");
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(signed).digest("base64");
const answer = await fetch(`http://127.0.0.1:${port}/${account}/${container}?restype=container`, {
  method: "PUT",
  headers: { ...headers, Authorization: `SharedKey ${account}:${signature}` },
});
if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
