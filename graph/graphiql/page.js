// Shows GraphiQL on the address it was loaded from. Subscriptions arrive as server-sent events.
"use strict";

const address = location.pathname;

// isSubscription asks the parsed document, since a text may hold several operations.
function isSubscription(params, options) {
  return (options.documentAST?.definitions ?? []).some(
    (definition) =>
      definition.kind === "OperationDefinition" &&
      definition.operation === "subscription" &&
      (!params.operationName || definition.name?.value === params.operationName),
  );
}

function send(params, options, accept, signal) {
  return fetch(address, {
    method: "POST",
    headers: { ...options.headers, "Content-Type": "application/json", Accept: accept },
    body: JSON.stringify(params),
    signal,
  });
}

// results yields what an event stream brings until it is complete. Ending the iteration ends the request.
async function* results(params, options) {
  const stop = new AbortController();
  try {
    const response = await send(params, options, "text/event-stream", stop.signal);
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      yield await response.json();
      return;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) {
        const fields = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
        if (fields.event === "complete") return;
        if (fields.event === "next") yield JSON.parse(fields.data);
      }
    }
  } finally {
    stop.abort();
  }
}

async function fetcher(params, options = {}) {
  if (isSubscription(params, options)) return results(params, options);
  const response = await send(params, options, "application/graphql-response+json, application/json;q=0.9");
  return response.json();
}

const greeting = `# You are signed in as in the console. Press Ctrl-Enter to run.
{
  viewer {
    email
    role
    creditAccount {
      available
    }
  }
}
`;

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, { fetcher, defaultQuery: greeting, shouldPersistHeaders: false }),
);
