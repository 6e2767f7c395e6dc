// Package simulator is a fake LLM vendor for newcomers, tests and benchmarks. It speaks OpenAI chat completions
// (streamed or not), embeddings and models under /v1, answers at once with made-up words, and misbehaves on demand.
//
// # Knobs
//
// A model name that starts with "sim" may carry knobs as a query string; any other name is taken as it is and behaves
// by the defaults. The same knobs come as headers (X-Sim-Error-Rate: 0.2), which win over the model name:
//
//	sim-chat?ttft=20ms&tps=100&tokens=64
//	sim-chat?error=503&error_rate=0.2&retry_after=2
//
//	latency=50ms     wait before the answer's header
//	ttft=20ms        then wait before the first token (not streamed: before the body)
//	tps=100          output tokens a second; 0, the default, does not wait
//	tokens=64        length of the answer; by default 16 to 47, chosen by the seed
//	reasoning=192    hidden reasoning tokens, counted but not shown
//	thinking=on      shows them as reasoning_content, as DeepSeek and xAI do
//	tools=2          how many of the request's tools are called, in parallel; by default one, 0 answers with text
//	usage=off        never reports usage; usage=last puts it on the finish chunk unasked, as DeepSeek does
//	cache=on         prompts whose first messages were seen before count these tokens as cached
//	error=503        answers with this status (400 to 599), or with "drop" closes the connection without an answer
//	error_rate=0.2   share of requests that get the error, by the seed; 1 by default
//	error_code=insufficient_quota    replaces the code and type of the error
//	retry_after=2    Retry-After of the error, in seconds
//	cut=5            closes the connection after 5 tokens (not streamed: after 5 bytes of the body)
//	stall=3          says nothing more after 3 tokens (bytes) until the client goes away
//	stream_error=4   sends an error event after 4 tokens and ends the stream
//	malformed=2      breaks the JSON of the second token's frame (not streamed: of the body)
//	split=1          writes and flushes the answer in pieces of so many bytes
//	comments=2       keep-alive comments before the first event
//	crlf=on          CRLF line ends in the stream
//	pad=150000       a meaningless field of so many bytes in the answer
//	seed=7           another choice of words and faults
//
// Three names stand for knobs, to try without reading this: sim-slow (ttft=500ms&tps=20), sim-flaky
// (error=503&error_rate=0.3&retry_after=1) and sim-thinking (reasoning=64&thinking=on). sim-bench always answers with the same
// bytes, streams in one write, for benchmarks.
//
// An unknown knob or a bad value is a 400 that names it. Gaps in a stream keep to a time table, so that a slow reader
// does not make it slower.
//
// # Determinism
//
// The words of an answer depend on the seeds and the conversation alone, ids and faults on the seeds and on how many
// requests of the same model name came before. Token counts of prompts are a quarter of the bytes, not a real
// tokenizer's; those of answers are exact: one for every piece that is sent.
//
// # Keys
//
// Any bearer key is good but "sk-sim-invalid"; a key with a status between dashes (sk-sim-429-a) always gets that error.
//
// # Control
//
// GET /sim/stats tells the counts. POST /sim/fault takes knobs as its body (error=503&retry_after=1) that hold for every
// request until DELETE /sim/fault.
package simulator
