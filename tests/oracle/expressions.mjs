// Evaluates expressions with GitHub's own evaluator: JSON lines in, JSON lines out.
//
// The first line is {"contexts": {name: value}}; each later line is a string, the expression.
// The answer to it is {"kind", "value"} or {"error": {"kind", "message", "column"}}.

import { createInterface } from "node:readline";
import { Evaluator, Lexer, Parser, data } from "@actions/expressions";

const KINDS = new Map([
  [data.Kind.Null, "Null"],
  [data.Kind.Boolean, "Boolean"],
  [data.Kind.Number, "Number"],
  [data.Kind.String, "String"],
  [data.Kind.Array, "Array"],
  [data.Kind.Dictionary, "Object"],
]);

/** Returns plain JSON, with words for the numbers that JSON does not have. */
function plain(value) {
  switch (value.kind) {
    case data.Kind.Null:
      return null;
    case data.Kind.Number:
      return Number.isFinite(value.value) ? value.value : String(value.value);
    case data.Kind.Array:
      return value.values().map(plain);
    case data.Kind.Dictionary:
      return Object.fromEntries(value.pairs().map(({ key, value: item }) => [key, plain(item)]));
    default:
      return value.value;
  }
}

function answer(expression, contexts, names) {
  let kind = "lexing";
  try {
    const { tokens } = new Lexer(expression).lex();
    kind = "parsing";
    const tree = new Parser(tokens, names, []).parse();
    kind = "evaluation";
    const value = tree === undefined ? new data.Null() : new Evaluator(tree, contexts).evaluate();
    return { kind: KINDS.get(value.kind), value: plain(value) };
  } catch (error) {
    const column = error.pos === undefined
      ? Number(/Located at position (\d+)/.exec(error.message)?.[1] ?? 0)
      : error.pos.column + 1;
    return { error: { kind, message: error.message, column } };
  }
}

let contexts;
let names;
for await (const line of createInterface({ input: process.stdin })) {
  if (contexts === undefined) {
    contexts = JSON.parse(JSON.stringify(JSON.parse(line).contexts), data.reviver);
    names = contexts.pairs().map(({ key }) => key);
  } else {
    process.stdout.write(`${JSON.stringify(answer(JSON.parse(line), contexts, names))}\n`);
  }
}
