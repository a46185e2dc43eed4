// Evaluates JSONata with the reference implementation: one JSON line in ({expr, states, variables}), one JSON line out.
const jsonata = require(process.argv[2]);
const readline = require("readline");

const kind = (value) => (value === undefined ? "undefined" : typeof value === "function" || (value && value._jsonata_lambda) || (value && value._jsonata_function) ? "function" : "value");

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, expr, bindings } = JSON.parse(line);
  let answer;
  try {
    const value = await jsonata(expr).evaluate(undefined, bindings);
    answer = { id, kind: kind(value), value: kind(value) === "value" ? value : null };
  } catch (error) {
    answer = { id, kind: "error", code: error.code || "", message: String(error.message) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
