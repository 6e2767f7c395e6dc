package simulator

import (
	"encoding/json"
	"strconv"
	"strings"
)

// responsesVoice renders scripts as OpenAI responses.
type responsesVoice struct {
	s     *Server
	sc    *script
	q     *responsesRequest
	usage bool               // whether usage is reported at all
	store func(whole []byte) // keeps the finished response; nil where it is not to be kept

	encrypted bool // reasoning comes with its encrypted content
	seq       int
	index     int  // of the item that is open, or is to come
	open      kind // of the item that is open; kindStart for none
	call      uint16
	held      strings.Builder // text of the item that is open
	output    []byte          // finished items, with commas
	echo      []byte          // what a response repeats of its request
}

func newResponsesVoice(s *Server, sc *script, q *responsesRequest) *responsesVoice {
	v := &responsesVoice{s: s, sc: sc, q: q}
	v.encrypted = q.includes("reasoning.encrypted_content") && !sc.unsigned
	v.echo = q.appendEcho(nil)
	return v
}

func (v *responsesVoice) event(dst []byte, e event) []byte {
	if e.kind != kindStart && e.kind != kindReasoning && v.sc.hidden && v.index == 0 && v.open == kindStart {
		dst = v.begin(dst, kindReasoning, 0)
	}
	switch e.kind {
	case kindStart:
		for _, name := range []string{"response.created", "response.in_progress"} {
			dst = v.appendEvent(dst, name)
			dst = v.appendResponse(append(dst, `,"response":`...), "in_progress", finishStop)
			dst = v.close(dst)
		}
	case kindReasoning:
		dst = v.begin(dst, e.kind, 0)
		dst = v.appendDelta(dst, "response.reasoning_summary_text.delta", `,"summary_index":0`, e.text)
	case kindText:
		dst = v.begin(dst, e.kind, 0)
		dst = v.appendDelta(dst, "response.output_text.delta", `,"content_index":0,"logprobs":[]`, e.text)
	case kindRefusal:
		dst = v.begin(dst, e.kind, 0)
		dst = v.appendDelta(dst, "response.refusal.delta", `,"content_index":0`, e.text)
	case kindCall:
		dst = v.begin(dst, e.kind, e.call)
	case kindArgs:
		name := "response.function_call_arguments.delta"
		if v.sc.calls[0][e.call].free {
			name = "response.custom_tool_call_input.delta"
		}
		dst = v.appendDelta(dst, name, "", e.text)
	case kindFinish:
		dst = v.finish(dst, e.finish)
	case kindImage:
	}
	return dst
}

// finish ends the stream with its last event, which repeats the whole response.
func (v *responsesVoice) finish(dst []byte, f finish) []byte {
	if v.open != kindStart {
		status := "completed"
		if f == finishLength {
			status = "incomplete"
		}
		dst = v.done(dst, status)
	}
	status := responseStatus(f)
	dst = v.appendEvent(dst, "response."+status)
	from := len(dst) + len(`,"response":`)
	dst = v.appendResponse(append(dst, `,"response":`...), status, f)
	if v.store != nil {
		v.store(dst[from:])
	}
	return v.close(dst)
}

func responseStatus(f finish) string {
	if f == finishLength || f == finishFilter {
		return "incomplete"
	}
	return "completed"
}

// begin opens an item unless it is open.
func (v *responsesVoice) begin(dst []byte, kind kind, call uint16) []byte {
	if v.open == kind && kind != kindCall {
		return dst
	}
	if v.open != kindStart {
		dst = v.done(dst, "completed")
	}
	v.open, v.call = kind, call
	v.held.Reset()
	dst = v.appendEvent(dst, "response.output_item.added")
	dst = v.appendIndex(dst)
	dst = v.appendItem(append(dst, `,"item":`...), "", "in_progress")
	dst = v.close(dst)
	switch kind {
	case kindText, kindRefusal:
		dst = v.appendItemEvent(dst, "response.content_part.added")
		dst = append(dst, `,"content_index":0,"part":`...)
		dst = v.appendPart(dst, "", false)
		dst = v.close(dst)
	case kindReasoning:
		if !v.sc.hidden {
			dst = v.appendItemEvent(dst, "response.reasoning_summary_part.added")
			dst = append(dst, `,"summary_index":0,"part":{"type":"summary_text","text":""}`...)
			dst = v.close(dst)
		}
	case kindStart, kindCall, kindArgs, kindImage, kindFinish:
	}
	return dst
}

// done closes the item that is open.
func (v *responsesVoice) done(dst []byte, status string) []byte {
	held := v.held.String()
	switch v.open {
	case kindReasoning:
		if v.sc.hidden {
			break
		}
		dst = v.appendItemEvent(dst, "response.reasoning_summary_text.done")
		dst = appendString(append(dst, `,"summary_index":0,"text":`...), held)
		dst = v.close(dst)
		dst = v.appendItemEvent(dst, "response.reasoning_summary_part.done")
		dst = appendString(append(dst, `,"summary_index":0,"part":{"type":"summary_text","text":`...), held)
		dst = v.close(append(dst, '}'))
	case kindText:
		if v.sc.cited {
			dst = v.appendItemEvent(dst, "response.output_text.annotation.added")
			dst = append(dst, `,"content_index":0,"annotation_index":0,"annotation":`...)
			dst = v.close(appendURLCitation(dst, held))
		}
		dst = v.appendItemEvent(dst, "response.output_text.done")
		dst = appendString(append(dst, `,"content_index":0,"logprobs":[],"text":`...), held)
		dst = v.partDone(v.close(dst), held)
	case kindRefusal:
		dst = v.appendItemEvent(dst, "response.refusal.done")
		dst = appendString(append(dst, `,"content_index":0,"refusal":`...), held)
		dst = v.partDone(v.close(dst), held)
	case kindCall:
		name, field := "response.function_call_arguments.done", `,"arguments":`
		if v.sc.calls[0][v.call].free {
			name, field = "response.custom_tool_call_input.done", `,"input":`
		}
		dst = v.appendItemEvent(dst, name)
		dst = v.close(appendString(append(dst, field...), held))
	case kindStart, kindArgs, kindImage, kindFinish:
	}
	dst = v.appendEvent(dst, "response.output_item.done")
	dst = v.appendIndex(dst)
	dst = append(dst, `,"item":`...)
	from := len(dst)
	dst = v.appendItem(dst, held, status)
	if len(v.output) > 0 {
		v.output = append(v.output, ',')
	}
	v.output = append(v.output, dst[from:]...)
	v.index++
	v.open = kindStart
	return v.close(dst)
}

func (v *responsesVoice) partDone(dst []byte, held string) []byte {
	dst = v.appendItemEvent(dst, "response.content_part.done")
	dst = append(dst, `,"content_index":0,"part":`...)
	return v.close(v.appendPart(dst, held, true))
}

// appendEvent begins an event; what is appended after it belongs to its data, until close.
func (v *responsesVoice) appendEvent(dst []byte, name string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	dst = strconv.AppendInt(append(dst, `","sequence_number":`...), int64(v.seq), 10)
	v.seq++
	return dst
}

func (v *responsesVoice) appendIndex(dst []byte) []byte {
	return strconv.AppendInt(append(dst, `,"output_index":`...), int64(v.index), 10)
}

// appendItemEvent begins an event of the item that is open.
func (v *responsesVoice) appendItemEvent(dst []byte, name string) []byte {
	dst = v.appendIndex(v.appendEvent(dst, name))
	return appendString(append(dst, `,"item_id":`...), v.itemID())
}

func (v *responsesVoice) close(dst []byte) []byte { return append(dst, "}\n\n"...) }

func (v *responsesVoice) appendDelta(dst []byte, name, fields, text string) []byte {
	v.held.WriteString(text)
	dst = v.appendItemEvent(dst, name)
	dst = append(dst, fields...)
	dst = appendString(append(dst, `,"delta":`...), text)
	dst = append(dst, `,"obfuscation":"`...) // hides the length of the delta
	dst = append(dst, v.sc.id[:max(1, 16-len(text)%16)]...)
	return v.close(append(dst, '"'))
}

// itemID is the id of the item that is open.
func (v *responsesVoice) itemID() string {
	prefix := "msg_"
	switch v.open {
	case kindReasoning:
		prefix = "rs_"
	case kindCall, kindArgs:
		prefix = "fc_"
		if v.sc.calls[0][v.call].free {
			prefix = "ctc_"
		}
	case kindStart, kindText, kindRefusal, kindImage, kindFinish:
	}
	return prefix + identifier(mix(v.sc.seed, 8, uint64(v.index)))
}

// appendItem appends the item that is open, with what it holds so far.
func (v *responsesVoice) appendItem(dst []byte, held, status string) []byte {
	dst = appendString(append(dst, `{"id":`...), v.itemID())
	switch v.open {
	case kindReasoning:
		dst = append(dst, `,"type":"reasoning","content":[],"summary":[`...)
		if held != "" {
			dst = appendString(append(dst, `{"type":"summary_text","text":`...), held)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
		if v.encrypted {
			dst = appendString(append(dst, `,"encrypted_content":`...), v.s.encrypt(held, v.sc.seed))
		}
	case kindCall:
		call := v.sc.calls[0][v.call]
		kind, field := `,"type":"function_call"`, `,"arguments":`
		if call.free {
			kind, field = `,"type":"custom_tool_call"`, `,"input":`
		}
		dst = appendString(append(append(dst, kind...), `,"status":`...), status)
		dst = appendString(append(dst, field...), held)
		dst = appendString(append(dst, `,"call_id":`...), "call_"+call.id)
		dst = appendString(append(dst, `,"name":`...), call.name)
	default:
		dst = appendString(append(dst, `,"type":"message","role":"assistant","status":`...), status)
		dst = append(dst, `,"content":[`...)
		if status != "in_progress" {
			dst = v.appendPart(dst, held, true)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendPart appends the one part of a message.
func (v *responsesVoice) appendPart(dst []byte, text string, whole bool) []byte {
	if v.open == kindRefusal {
		dst = appendString(append(dst, `{"type":"refusal","refusal":`...), text)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":"output_text","annotations":[`...)
	if whole && v.sc.cited {
		dst = appendURLCitation(dst, text)
	}
	dst = appendString(append(dst, `],"logprobs":[],"text":`...), text)
	return append(dst, '}')
}

// appendURLCitation appends the one source that is ever cited, for the first half of a text.
func appendURLCitation(dst []byte, text string) []byte {
	dst = strconv.AppendInt(append(dst, `{"type":"url_citation","start_index":0,"end_index":`...), int64(len([]rune(text))/2), 10)
	return append(dst, `,"url":"https://example.com/source","title":"A source"}`...)
}

func (v *responsesVoice) end(dst []byte) []byte { return dst }

func (v *responsesVoice) failure(dst []byte) []byte {
	f := openAI{}.complete(failure{status: 500})
	dst = v.appendEvent(dst, "error")
	dst = appendString(append(dst, `,"code":`...), f.kind)
	dst = appendString(append(dst, `,"message":`...), f.message)
	dst = v.close(append(dst, `,"param":null`...))
	dst = v.appendEvent(dst, "response.failed")
	dst = v.appendResponse(append(dst, `,"response":`...), "failed", finishStop)
	return v.close(dst)
}

func (v *responsesVoice) body(dst []byte) []byte {
	var end finish
	for _, e := range v.sc.events {
		if e.kind == kindFinish {
			end = e.finish
		} else if e.kind != kindStart {
			dst = v.event(dst[:0], e)
		}
	}
	if v.sc.hidden && v.index == 0 && v.open == kindStart {
		dst = v.begin(dst[:0], kindReasoning, 0)
	}
	if v.open != kindStart {
		status := "completed"
		if end == finishLength {
			status = "incomplete"
		}
		dst = v.done(dst[:0], status)
	}
	dst = v.appendResponse(dst[:0], responseStatus(end), end)
	if v.store != nil {
		v.store(dst)
	}
	return dst
}

// appendResponse appends the response as it is now.
func (v *responsesVoice) appendResponse(dst []byte, status string, f finish) []byte {
	dst = append(dst, `{"id":"resp_`...)
	dst = append(dst, v.sc.id...)
	dst = strconv.AppendInt(append(dst, `","object":"response","created_at":`...), v.sc.created.Unix(), 10)
	dst = appendString(append(dst, `,"status":`...), status)
	dst = append(dst, `,"background":false,"completed_at":`...)
	if status == "completed" {
		dst = strconv.AppendInt(dst, v.sc.created.Unix(), 10)
	} else {
		dst = append(dst, "null"...)
	}
	if status == "failed" {
		dst = append(dst, `,"error":{"code":"server_error","message":"The server had an error while processing your request. Sorry about that!"}`...)
	} else {
		dst = append(dst, `,"error":null`...)
	}
	switch {
	case status != "incomplete":
		dst = append(dst, `,"incomplete_details":null`...)
	case f == finishFilter:
		dst = append(dst, `,"incomplete_details":{"reason":"content_filter"}`...)
	default:
		dst = append(dst, `,"incomplete_details":{"reason":"max_output_tokens"}`...)
	}
	dst = appendString(append(dst, `,"model":`...), v.sc.model)
	if v.sc.pad > 0 && status != "in_progress" {
		dst = appendPad(dst, v.sc.pad)
	}
	dst = append(dst, `,"output":[`...)
	dst = append(dst, v.output...)
	dst = append(append(dst, ']'), v.echo...)
	dst = append(dst, `,"usage":`...)
	if status == "in_progress" || status == "failed" || !v.usage {
		return append(dst, "null}"...)
	}
	u := v.sc.usage
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), int64(u.prompt), 10)
	dst = strconv.AppendInt(append(dst, `,"input_tokens_details":{"cached_tokens":`...), int64(u.cached), 10)
	dst = strconv.AppendInt(append(dst, `,"cache_write_tokens":0},"output_tokens":`...), int64(u.completion), 10)
	dst = strconv.AppendInt(append(dst, `,"output_tokens_details":{"reasoning_tokens":`...), int64(u.reasoning), 10)
	dst = strconv.AppendInt(append(dst, `},"total_tokens":`...), int64(u.prompt+u.completion), 10)
	return append(dst, "}}"...)
}

// appendEcho appends what a response repeats of its request, with the defaults of what that leaves out.
func (q *responsesRequest) appendEcho(dst []byte) []byte {
	raw := func(name string, v json.RawMessage, otherwise string) {
		dst = append(append(append(dst, `,"`...), name...), `":`...)
		if len(v) == 0 {
			dst = append(dst, otherwise...)
			return
		}
		dst = append(dst, v...)
	}
	marshal := func(v any) json.RawMessage {
		b, _ := json.Marshal(v) // strings, numbers, lists and maps of what was JSON before
		if string(b) == "null" {
			return nil
		}
		return b
	}
	orNil := func(s string) json.RawMessage {
		if s == "" {
			return nil
		}
		return marshal(s)
	}
	raw("instructions", q.Instructions, "null")
	raw("max_output_tokens", marshal(q.MaxOutputTokens), "null")
	raw("metadata", marshal(q.Metadata), "{}")
	raw("parallel_tool_calls", marshal(q.Parallel), "true")
	raw("previous_response_id", orNil(q.Previous), "null")
	raw("prompt_cache_key", orNil(q.PromptCacheKey), "null")
	effort, summary := json.RawMessage(nil), json.RawMessage(nil)
	if q.Reasoning != nil {
		effort, summary = orNil(q.Reasoning.Effort), orNil(q.Reasoning.Summary)
	}
	dst = append(dst, `,"reasoning":{"effort":`...)
	dst = append(append(dst, orNull(effort)...), `,"summary":`...)
	dst = append(append(dst, orNull(summary)...), '}')
	raw("service_tier", orNil(q.ServiceTier), `"default"`)
	raw("store", marshal(q.Store), "true")
	raw("temperature", marshal(q.Temperature), "1.0")
	raw("text", q.Text, `{"format":{"type":"text"},"verbosity":"medium"}`)
	raw("tool_choice", q.ToolChoice, `"auto"`)
	raw("tools", marshal(q.Tools), "[]")
	raw("top_p", marshal(q.TopP), "1.0")
	raw("truncation", orNil(q.Truncation), `"disabled"`)
	raw("user", orNil(q.User), "null")
	return dst
}

func orNull(v json.RawMessage) string {
	if len(v) == 0 {
		return "null"
	}
	return string(v)
}
