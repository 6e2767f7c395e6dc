// Package simulator is a fake LLM vendor for newcomers, tests and benchmarks. It speaks four dialects on one address,
// answers at once with made-up words, and misbehaves on demand. It shares no code with the gateway's own codecs: a fake
// vendor that did would agree with their mistakes. It refuses what the real vendors refuse, in their words.
//
//	OpenAI     http://HOST/v1         chat completions, responses (with input_tokens, GET and DELETE), embeddings, models,
//	                                  completions, moderations, images, speech, transcription, translation; rerank
//	Anthropic  http://HOST            /v1/messages, /v1/messages/count_tokens, /v1/models (told by its headers from OpenAI's)
//	Gemini     http://HOST/v1beta     generateContent, streamGenerateContent (events or a JSON array), countTokens,
//	                                  embedContent, batchEmbedContents, predict (Imagen), models
//	Vertex AI  http://HOST            /v1/projects/.../publishers/google and .../publishers/anthropic with bearer tokens,
//	                                  which http://HOST/token gives to any assertion
//
// # Knobs
//
// A model name that starts with "sim" may carry knobs as a query string; any other name is taken as it is and behaves
// by the defaults. The same knobs come as headers (X-Sim-Error-Rate: 0.2), which win over the model name. In the path of
// a Gemini call the question mark is %3F:
//
//	sim-chat?ttft=20ms&tps=100&tokens=64
//	sim-chat?error=503&error_rate=0.2&retry_after=2
//
//	latency=50ms     wait before the answer's header
//	ttft=20ms        then wait before the first token (not streamed: before the body)
//	tps=100          output tokens a second; 0, the default, does not wait
//	tokens=64        length of the answer; by default 16 to 47, chosen by the seed
//	reasoning=192    reasoning tokens, counted but not shown unless the request asks to see them
//	thinking=on      shows them unasked: in chat as reasoning_content, as DeepSeek and xAI do, in Responses as a summary
//	unsigned=on      leaves out signatures, encrypted_content and thoughtSignature
//	redacted=on      shows thinking as redacted_thinking (Anthropic)
//	signatures=strict  every Gemini model demands the signatures of its calls, not only those with "gemini-3" in their
//	                 names; signatures=off looks at none in any dialect
//	strict=on        chat refuses unknown parameters and tool results that do not match, as OpenAI does and others do not
//	tools=2          how many of the request's tools are called, in parallel; by default one, 0 answers with text
//	turns=2          calls tools in so many turns, the next ones in each
//	preamble=5       tokens of text before the calls
//	finish=length    says another reason for the end: stop, length, tools, filter, sequence, pause or refusal
//	refusal=on       refuses to answer
//	citations=on     the text cites a source
//	usage=off        never reports usage; usage=last puts it on the finish chunk unasked, as DeepSeek does (chat)
//	cache=on         prompts whose beginning was seen before count these tokens as cached (Anthropic: at cache_control)
//	error=503        answers with this status (400 to 599), or with "drop" closes the connection without an answer
//	error_rate=0.2   share of requests that get the error, by the seed; 1 by default
//	error_code=insufficient_quota    replaces the code and type of the error
//	retry_after=2    Retry-After of the error, in seconds
//	cut=5            closes the connection after 5 tokens (not streamed: after 5 bytes of the body)
//	stall=3          says nothing more after 3 tokens (bytes) until the client goes away
//	stream_error=4   sends the dialect's error event after 4 tokens and ends the stream
//	malformed=2      breaks the JSON of the second token's frame (not streamed: of the body)
//	split=1          writes and flushes the answer in pieces of so many bytes
//	comments=2       keep-alive comments before the first event
//	crlf=on          CRLF line ends in the stream; Gemini has them by itself, and crlf=off takes them away
//	pad=150000       a meaningless field of so many bytes in the answer
//	seed=7           another choice of words and faults
//
// Three names stand for knobs, to try without reading this: sim-slow (ttft=500ms&tps=20), sim-flaky
// (error=503&error_rate=0.3&retry_after=1) and sim-thinking (reasoning=64&thinking=on). sim-bench always answers with the same
// bytes, streams in one write, for benchmarks; so it does in every dialect.
//
// An unknown knob or a bad value is a 400 that names it. Gaps in a stream keep to a time table, so that a slow reader
// does not make it slower.
//
// # Tools
//
// By default the first tool is called, with arguments that follow its schema (defaults, examples and the first of an enum
// where there are any). A tool's result is answered with text that quotes it. Lines in a user's text steer the answer:
//
//	sim: call NAME {"json":"args"}   calls the tool; several such lines are one call a turn, in their order
//	sim: call-all                    makes these calls (or without them, one of each tool) in one turn
//	sim: say TEXT                    is the last text; {result} in it stands for the last tool's result
//
// Arguments may be left out. For tools that take a free text, they are a JSON string, or an object whose "input" is one.
// The lines of the last user text that has any hold until there are others; system prompts, tool results and texts without
// such lines change nothing. A tool that tool_choice demands is called whatever they say.
//
// # Thinking
//
// Signatures, encrypted reasoning and thought signatures are made from the server's seed and checked when they come back: what
// another dialect or another server made, or what was changed on the way, is refused as the vendor would.
//
// # Determinism
//
// The words of an answer depend on the seeds and the conversation alone, ids and faults on the seeds and on how many
// requests of the same model name came before. Token counts of prompts are a quarter of the bytes, not a real
// tokenizer's; those of answers are exact: one for every piece that is sent.
//
// # Keys
//
// Any key is good but "sk-sim-invalid"; a key with a status between dashes (sk-sim-429-a) always gets that error. Stored
// responses belong to the key that made them; the last thousand are kept, in memory.
//
// # Control
//
// GET /sim/stats tells the counts. POST /sim/fault takes knobs as its body (error=503&retry_after=1) that hold for every
// request until DELETE /sim/fault.
package simulator
