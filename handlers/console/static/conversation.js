// What has been said: the turns, and the request that they make.

/** Return the body of a chat completion. `turns` end with the question to be answered. */
export function requestBody({ model, system, turns }) {
  const messages = turns.map(message).filter(Boolean);
  if (system) messages.unshift({ role: "system", content: system });
  return { model, messages, stream: true, stream_options: { include_usage: true } };
}

function message(turn) {
  if (turn.role === "assistant")
    return turn.answer.content ? { role: "assistant", content: turn.answer.content } : null;
  if (!turn.files.length) return { role: "user", content: turn.text };
  const text = turn.text ? [{ type: "text", text: turn.text }] : [];
  const files = turn.files.map(({ id }) => ({ type: "file", file: { file_id: id } }));
  return { role: "user", content: [...text, ...files] };
}
