package simulator

import (
	"strconv"
	"strings"
)

// messagesVoice renders scripts as Anthropic messages.
type messagesVoice struct {
	s         *Server
	sc        *script
	prefix    string // of ids, behind the kind's
	requestID string
	usage     bool // whether usage is reported at all
	omitted   bool // thinking is shown as a signature only

	open    kind // of the block that is open; kindStart for none
	index   int  // of the block that is open, or is to come
	pinged  bool
	thought strings.Builder
}

func newMessagesVoice(s *Server, sc *script) *messagesVoice { return &messagesVoice{s: s, sc: sc} }

// appendEvent begins an event; what is appended after it belongs to its data.
func (v *messagesVoice) appendEvent(dst []byte, name string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	return append(dst, '"')
}

func (v *messagesVoice) event(dst []byte, e event) []byte {
	switch e.kind {
	case kindStart:
		dst = v.appendEvent(dst, "message_start")
		dst = v.appendHead(append(dst, `,"message":`...))
		dst = append(dst, `"content":[],"stop_reason":null,"stop_sequence":null`...)
		if v.usage {
			dst = v.appendUsage(append(dst, `,"usage":`...), 1, 0)
		}
		return append(dst, "}}\n\n"...)
	case kindReasoning:
		if v.sc.redacted {
			if v.open != kindReasoning {
				dst = v.start(dst, kindReasoning)
				dst = append(v.appendRedacted(dst), "}\n\n"...)
			}
			return dst
		}
		if v.open != kindReasoning {
			dst = v.start(dst, kindReasoning)
			dst = append(dst, `{"type":"thinking","thinking":"","signature":""}}`+"\n\n"...)
			dst = v.ping(dst)
		}
		if v.omitted {
			return dst
		}
		v.thought.WriteString(e.text)
		return v.appendDelta(dst, "thinking_delta", "thinking", e.text)
	case kindText:
		if v.open != kindText {
			dst = v.start(dst, kindText)
			dst = append(dst, `{"type":"text","text":""}}`+"\n\n"...)
			dst = v.ping(dst)
		}
		return v.appendDelta(dst, "text_delta", "text", e.text)
	case kindCall:
		dst = v.start(dst, kindCall)
		dst = v.appendCall(dst, v.sc.calls[0][e.call], "{}")
		dst = append(dst, "}\n\n"...)
		return v.appendDelta(v.ping(dst), "input_json_delta", "partial_json", "")
	case kindArgs:
		return v.appendDelta(dst, "input_json_delta", "partial_json", e.text)
	case kindFinish:
		return v.finish(dst, e.finish)
	case kindRefusal, kindImage: // there are no words for them
	}
	return dst
}

// start closes the block that is open and begins another, up to the block itself.
func (v *messagesVoice) start(dst []byte, kind kind) []byte {
	dst = v.stop(dst)
	v.open = kind
	dst = v.appendEvent(dst, "content_block_start")
	dst = strconv.AppendInt(append(dst, `,"index":`...), int64(v.index), 10)
	return append(dst, `,"content_block":`...)
}

// stop closes the block that is open, with its signature and its citations.
func (v *messagesVoice) stop(dst []byte) []byte {
	switch {
	case v.open == kindStart:
		return dst
	case v.open == kindReasoning && !v.sc.redacted && !v.sc.unsigned:
		dst = v.appendDelta(dst, "signature_delta", "signature", v.signature(v.thought.String()))
	case v.open == kindText && v.sc.cited:
		dst = v.appendEvent(dst, "content_block_delta")
		dst = strconv.AppendInt(append(dst, `,"index":`...), int64(v.index), 10)
		dst = append(dst, `,"delta":{"type":"citations_delta","citation":`+messagesCitation+"}}\n\n"...)
	}
	dst = v.appendEvent(dst, "content_block_stop")
	dst = strconv.AppendInt(append(dst, `,"index":`...), int64(v.index), 10)
	v.index++
	v.open = kindStart
	return append(dst, "}\n\n"...)
}

// messagesCitation is the one source that is ever cited.
const messagesCitation = `{"type":"web_search_result_location","cited_text":"What the source says.","url":"https://example.com/source","title":"A source","encrypted_index":"c2ltdWxhdGVk"}`

// ping follows the start of the first block.
func (v *messagesVoice) ping(dst []byte) []byte {
	if v.pinged {
		return dst
	}
	v.pinged = true
	return append(dst, "event: ping\ndata: {\"type\": \"ping\"}\n\n"...)
}

func (v *messagesVoice) appendDelta(dst []byte, kind, field, text string) []byte {
	dst = v.appendEvent(dst, "content_block_delta")
	dst = strconv.AppendInt(append(dst, `,"index":`...), int64(v.index), 10)
	dst = append(dst, `,"delta":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","`...)
	dst = append(dst, field...)
	dst = appendString(append(dst, `":`...), text)
	return append(dst, "}}\n\n"...)
}

func (v *messagesVoice) finish(dst []byte, f finish) []byte {
	dst = v.appendEvent(v.stop(dst), "message_delta")
	dst = v.appendStop(append(dst, `,"delta":{`...), f)
	dst = append(dst, '}')
	if v.usage {
		u := v.sc.usage
		dst = strconv.AppendInt(append(dst, `,"usage":{"input_tokens":`...), int64(u.prompt-u.cached-u.written5m-u.written1h), 10)
		dst = strconv.AppendInt(append(dst, `,"cache_creation_input_tokens":`...), int64(u.written5m+u.written1h), 10)
		dst = strconv.AppendInt(append(dst, `,"cache_read_input_tokens":`...), int64(u.cached), 10)
		dst = strconv.AppendInt(append(dst, `,"output_tokens":`...), int64(u.completion), 10)
		if u.reasoning > 0 {
			dst = strconv.AppendInt(append(dst, `,"output_tokens_details":{"thinking_tokens":`...), int64(u.reasoning), 10)
			dst = append(dst, '}')
		}
		dst = append(dst, '}')
	}
	return append(dst, "}\n\n"...)
}

func (v *messagesVoice) end(dst []byte) []byte {
	return append(v.appendEvent(dst, "message_stop"), "}\n\n"...)
}

func (v *messagesVoice) failure(dst []byte) []byte {
	dst = append(dst, "event: error\ndata: "...)
	dst = anthropic{}.errorBody(dst, failure{status: 529}, v.requestID)
	return append(dst, "\n\n"...)
}

// appendHead appends a message up to its content.
func (v *messagesVoice) appendHead(dst []byte) []byte {
	dst = appendString(append(dst, `{"model":`...), v.sc.model)
	dst = append(dst, `,"id":"msg_`...)
	dst = append(dst, v.prefix...)
	dst = append(dst, v.sc.id...)
	dst = append(dst, `","type":"message","role":"assistant"`...)
	if v.sc.pad > 0 {
		dst = appendPad(dst, v.sc.pad)
	}
	return append(dst, ',')
}

func (v *messagesVoice) appendCall(dst []byte, call toolCall, input string) []byte {
	dst = append(dst, `{"type":"tool_use","id":"toolu_`...)
	dst = append(dst, v.prefix...)
	dst = append(dst, call.id...)
	dst = appendString(append(dst, `","name":`...), call.name)
	dst = append(dst, `,"input":`...)
	dst = append(dst, input...)
	return append(dst, `,"caller":{"type":"direct"}}`...)
}

func (v *messagesVoice) appendRedacted(dst []byte) []byte {
	dst = appendString(append(dst, `{"type":"redacted_thinking","data":`...), v.s.sign(sealRedacted, "", v.sc.seed))
	return append(dst, '}')
}

func (v *messagesVoice) signature(thought string) string {
	if v.sc.unsigned {
		return ""
	}
	return v.s.sign(sealThinking, thought, v.sc.seed)
}

func (v *messagesVoice) body(dst []byte) []byte {
	f := v.sc.fold(0)
	dst = append(v.appendHead(dst), `"content":[`...)
	from := len(dst)
	sep := func() {
		if len(dst) > from {
			dst = append(dst, ',')
		}
	}
	if v.sc.redacted && f.reasoning != "" {
		dst = v.appendRedacted(dst)
	} else if f.reasoning != "" {
		thought := f.reasoning
		if v.omitted {
			thought = ""
		}
		dst = appendString(append(dst, `{"type":"thinking","thinking":`...), thought)
		dst = appendString(append(dst, `,"signature":`...), v.signature(thought))
		dst = append(dst, '}')
	}
	if f.text != "" {
		sep()
		dst = appendString(append(dst, `{"type":"text","text":`...), f.text)
		if v.sc.cited {
			dst = append(dst, `,"citations":[`+messagesCitation+`]`...)
		}
		dst = append(dst, '}')
	}
	for i, args := range f.args {
		sep()
		dst = v.appendCall(dst, v.sc.calls[0][i], wholeObject(args))
	}
	dst = v.appendStop(append(dst, `],`...), f.end)
	if v.usage {
		dst = v.appendUsage(append(dst, `,"usage":`...), v.sc.usage.completion, v.sc.usage.reasoning)
	}
	return append(dst, '}')
}

// appendStop appends why the message ends.
func (v *messagesVoice) appendStop(dst []byte, f finish) []byte {
	reason := "end_turn"
	switch f {
	case finishLength:
		reason = "max_tokens"
	case finishTools:
		reason = "tool_use"
	case finishFilter, finishRefusal:
		reason = "refusal"
	case finishSequence:
		reason = "stop_sequence"
	case finishPause:
		reason = "pause_turn"
	case finishStop:
	}
	dst = appendString(append(dst, `"stop_reason":`...), reason)
	dst = append(dst, `,"stop_sequence":`...)
	if f == finishSequence {
		dst = appendStringOrNull(dst, v.sc.sequence)
	} else {
		dst = append(dst, "null"...)
	}
	if reason == "refusal" {
		return append(dst, `,"stop_details":{"type":"refusal","category":"cyber","explanation":"This request triggered restrictions and was blocked."}`...)
	}
	return append(dst, `,"stop_details":null`...)
}

// appendUsage appends the usage by the vendor's rule: input does not include what was cached or is written to the cache.
func (v *messagesVoice) appendUsage(dst []byte, output, thinking int) []byte {
	u := v.sc.usage
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), int64(u.prompt-u.cached-u.written5m-u.written1h), 10)
	dst = strconv.AppendInt(append(dst, `,"cache_creation_input_tokens":`...), int64(u.written5m+u.written1h), 10)
	dst = strconv.AppendInt(append(dst, `,"cache_read_input_tokens":`...), int64(u.cached), 10)
	dst = strconv.AppendInt(append(dst, `,"cache_creation":{"ephemeral_5m_input_tokens":`...), int64(u.written5m), 10)
	dst = strconv.AppendInt(append(dst, `,"ephemeral_1h_input_tokens":`...), int64(u.written1h), 10)
	dst = strconv.AppendInt(append(dst, `},"output_tokens":`...), int64(output), 10)
	if thinking > 0 {
		dst = append(strconv.AppendInt(append(dst, `,"output_tokens_details":{"thinking_tokens":`...), int64(thinking), 10), '}')
	}
	return append(dst, `,"service_tier":"standard","inference_geo":"not_available"}`...)
}

// wholeObject returns arguments that were not cut off by a limit, and an empty object for those that were.
func wholeObject(args string) string {
	if !strings.HasPrefix(args, "{") || !validJSON(args) {
		return "{}"
	}
	return args
}
