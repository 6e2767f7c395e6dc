package simulator

import "strconv"

// answerChat answers POST /v1/chat/completions.
func answerChat(x *exchange) outcome {
	if x.model == benchModel && x.knobs == defaultKnobs() {
		return x.playBench()
	}
	var q chatRequest
	fail := decode(x.body, &q)
	if fail == nil {
		fail = q.check()
	}
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	sc := x.s.write(q.ask(x.model), &x.knobs, x.number)
	defer sc.release()
	v := newChatVoice(sc)
	v.usage = x.knobs.usage != usageOff
	v.ask = q.StreamOptions != nil && q.StreamOptions.IncludeUsage && v.usage
	return x.play(sc, v, q.Stream)
}

// chatVoice renders scripts as chat completions.
type chatVoice struct {
	sc     *script
	head   []byte // of every chunk, up to its choices
	usage  bool   // whether usage is reported at all
	ask    bool   // whether the stream's extra usage chunk was asked for
	padded bool
}

func newChatVoice(sc *script) *chatVoice {
	v := &chatVoice{sc: sc, head: make([]byte, 0, 256)}
	v.head = v.appendHead(v.head, "chat.completion.chunk")
	return v
}

func (v *chatVoice) appendHead(dst []byte, object string) []byte {
	dst = append(dst, `{"id":"chatcmpl-`...)
	dst = append(dst, v.sc.id...)
	dst = append(dst, `","object":"`...)
	dst = append(dst, object...)
	dst = append(dst, `","created":`...)
	dst = strconv.AppendInt(dst, v.sc.created.Unix(), 10)
	dst = append(dst, `,"model":`...)
	dst = appendString(dst, v.sc.model)
	return append(dst, `,"service_tier":"default","system_fingerprint":"fp_simulator"`...)
}

func (v *chatVoice) event(dst []byte, e event) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, v.head...)
	if v.sc.pad > 0 && !v.padded {
		v.padded = true
		dst = appendPad(dst, v.sc.pad)
	}
	dst = append(dst, `,"choices":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(e.choice), 10)
	dst = append(dst, `,"delta":{`...)
	switch e.kind {
	case kindStart:
		content := `""`
		if len(v.sc.calls[e.choice]) > 0 {
			content = "null"
		}
		dst = append(dst, `"role":"assistant","content":`...)
		dst = append(dst, content...)
		dst = append(dst, `,"refusal":null`...)
	case kindReasoning:
		dst = appendString(append(dst, `"reasoning_content":`...), e.text)
	case kindText:
		dst = appendString(append(dst, `"content":`...), e.text)
	case kindCall:
		dst = v.appendCall(append(dst, `"tool_calls":[`...), e, `""`)
		dst = append(dst, ']')
	case kindArgs:
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(e.call), 10)
		dst = append(dst, `,"function":{"arguments":`...)
		dst = appendString(dst, e.text)
		dst = append(dst, "}}]"...)
	case kindFinish:
	}
	dst = append(dst, `},"logprobs":null,"finish_reason":`...)
	if e.kind == kindFinish {
		dst = appendString(dst, chatFinish(e.finish))
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, "}]"...)
	switch {
	case e.kind == kindFinish && v.sc.last && v.usage:
		dst = v.appendUsage(append(dst, `,"usage":`...))
	case v.ask:
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

// appendCall appends a tool call with an index, as streams have it.
func (v *chatVoice) appendCall(dst []byte, e event, arguments string) []byte {
	call := v.sc.calls[e.choice][e.call]
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(e.call), 10)
	dst = append(dst, `,"id":"call_`...)
	dst = append(dst, call.id...)
	dst = append(dst, `","type":"function","function":{"name":`...)
	dst = appendString(dst, call.name)
	dst = append(dst, `,"arguments":`...)
	dst = append(dst, arguments...)
	return append(dst, "}}"...)
}

func (v *chatVoice) end(dst []byte) []byte {
	if v.ask && !v.sc.last {
		dst = append(dst, "data: "...)
		dst = append(dst, v.head...)
		dst = append(dst, `,"choices":[],"usage":`...)
		dst = v.appendUsage(dst)
		dst = append(dst, "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

func (v *chatVoice) failure(dst []byte) []byte {
	dst = append(dst, "data: "...)
	dst = openAI{}.errorBody(dst, failure{status: 500})
	return append(dst, "\n\n"...)
}

func (v *chatVoice) body(dst []byte) []byte {
	dst = v.appendHead(dst, "chat.completion")
	if v.sc.pad > 0 {
		dst = appendPad(dst, v.sc.pad)
	}
	dst = append(dst, `,"choices":[`...)
	for c := range v.sc.choices {
		if c > 0 {
			dst = append(dst, ',')
		}
		dst = v.appendChoice(dst, uint16(c))
	}
	dst = append(dst, ']')
	if v.usage {
		dst = v.appendUsage(append(dst, `,"usage":`...))
	}
	return append(dst, '}')
}

func (v *chatVoice) appendChoice(dst []byte, c uint16) []byte {
	var content, reasoning []byte
	args := make([][]byte, len(v.sc.calls[c]))
	end := finishStop
	for _, e := range v.sc.events {
		if e.choice != c {
			continue
		}
		switch e.kind {
		case kindText:
			content = append(content, e.text...)
		case kindReasoning:
			reasoning = append(reasoning, e.text...)
		case kindArgs:
			args[e.call] = append(args[e.call], e.text...)
		case kindFinish:
			end = e.finish
		case kindStart, kindCall:
		}
	}
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(c), 10)
	dst = append(dst, `,"message":{"role":"assistant","content":`...)
	if content == nil && len(args) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, string(content))
	}
	if reasoning != nil {
		dst = appendString(append(dst, `,"reasoning_content":`...), string(reasoning))
	}
	for i, a := range args {
		dst = append(dst, [2]string{`,"tool_calls":[`, `,`}[min(i, 1)]...)
		call := v.sc.calls[c][i]
		dst = append(dst, `{"id":"call_`...)
		dst = append(dst, call.id...)
		dst = append(dst, `","type":"function","function":{"name":`...)
		dst = appendString(dst, call.name)
		dst = appendString(append(dst, `,"arguments":`...), string(a))
		dst = append(dst, "}}"...)
	}
	if len(args) > 0 {
		dst = append(dst, ']')
	}
	dst = append(dst, `,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":`...)
	dst = appendString(dst, chatFinish(end))
	return append(dst, '}')
}

func (v *chatVoice) appendUsage(dst []byte) []byte {
	u := v.sc.usage
	for _, field := range []struct {
		name string
		n    int
	}{
		{`{"prompt_tokens":`, u.prompt},
		{`,"completion_tokens":`, u.completion},
		{`,"total_tokens":`, u.prompt + u.completion},
		{`,"prompt_tokens_details":{"cached_tokens":`, u.cached},
		{`,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":`, u.reasoning},
	} {
		dst = append(dst, field.name...)
		dst = strconv.AppendInt(dst, int64(field.n), 10)
	}
	return append(dst, `,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`...)
}

func chatFinish(f finish) string {
	switch f {
	case finishLength:
		return "length"
	case finishTools:
		return "tool_calls"
	case finishStop:
	}
	return "stop"
}

// appendPad appends a field of n bytes that means nothing.
func appendPad(dst []byte, n int) []byte {
	dst = append(dst, `,"padding":"`...)
	for range n {
		dst = append(dst, 'x')
	}
	return append(dst, '"')
}
