package simulator

import "strconv"

// answerChat answers POST /v1/chat/completions.
func answerChat(x *exchange) outcome {
	if x.benched() {
		stream, ask := benchStream(x.body)
		return x.playBench(x.s.bench.chat, stream, ask)
	}
	var q chatRequest
	fail := decode(x.body, &q)
	if fail == nil {
		fail = q.check()
	}
	if fail == nil && x.knobs.strict {
		fail = q.checkStrict(x.body)
	}
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	sc := x.s.write(q.ask(x.model), &x.knobs, x.number)
	defer sc.release()
	v := newChatVoice(sc)
	v.usage = x.knobs.usage != usageOff
	v.logprobs, v.tops = q.Logprobs, q.TopLogprobs
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

	logprobs bool // whether every token comes with its probability
	tops     int  // and with how many alternatives
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
		if len(v.sc.calls[e.choice]) > 0 && !v.speaks(e.choice) {
			content = "null"
		}
		dst = append(dst, `"role":"assistant","content":`...)
		dst = append(dst, content...)
		dst = append(dst, `,"refusal":null`...)
	case kindReasoning:
		dst = appendString(append(dst, `"reasoning_content":`...), e.text)
	case kindText:
		dst = appendString(append(dst, `"content":`...), e.text)
	case kindRefusal:
		dst = appendString(append(dst, `"refusal":`...), e.text)
	case kindCall:
		dst = v.appendCall(append(dst, `"tool_calls":[`...), e, `""`)
		dst = append(dst, ']')
	case kindArgs:
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(e.call), 10)
		field := `,"function":{"arguments":`
		if v.sc.calls[e.choice][e.call].free {
			field = `,"custom":{"input":`
		}
		dst = append(dst, field...)
		dst = appendString(dst, e.text)
		dst = append(dst, "}}]"...)
	case kindFinish:
		if v.sc.cited {
			dst = appendChatCitation(append(dst, `"annotations":`...), v.sc.fold(e.choice).text)
		}
	case kindImage:
	}
	dst = append(dst, `},"logprobs":`...)
	if v.logprobs && e.kind == kindText {
		dst = v.appendLogprobs(append(dst, `{"content":[`...), e.text)
		dst = append(dst, `],"refusal":null}`...)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"finish_reason":`...)
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
	if call.free {
		return v.appendFreeCall(append(dst, ','), call, "")
	}
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

// speaks tells whether a choice has text beside its calls.
func (v *chatVoice) speaks(c uint16) bool {
	for _, e := range v.sc.events {
		if e.choice == c && e.kind == kindText {
			return true
		}
	}
	return false
}

func (v *chatVoice) appendChoice(dst []byte, c uint16) []byte {
	f := v.sc.fold(c)
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(c), 10)
	dst = append(dst, `,"message":{"role":"assistant","content":`...)
	if f.text == "" && (len(f.args) > 0 || f.refusal != "") {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, f.text)
	}
	if f.reasoning != "" {
		dst = appendString(append(dst, `,"reasoning_content":`...), f.reasoning)
	}
	for i, a := range f.args {
		dst = append(dst, [2]string{`,"tool_calls":[`, `,`}[min(i, 1)]...)
		call := v.sc.calls[c][i]
		if call.free {
			dst = v.appendFreeCall(append(dst, '{'), call, a)
			continue
		}
		dst = append(dst, `{"id":"call_`...)
		dst = append(dst, call.id...)
		dst = append(dst, `","type":"function","function":{"name":`...)
		dst = appendString(dst, call.name)
		dst = appendString(append(dst, `,"arguments":`...), a)
		dst = append(dst, "}}"...)
	}
	if len(f.args) > 0 {
		dst = append(dst, ']')
	}
	dst = appendStringOrNull(append(dst, `,"refusal":`...), f.refusal)
	dst = append(dst, `,"annotations":`...)
	if v.sc.cited {
		dst = appendChatCitation(dst, f.text)
	} else {
		dst = append(dst, "[]"...)
	}
	dst = append(dst, `},"logprobs":`...)
	if v.logprobs {
		dst = append(dst, `{"content":[`...)
		from := len(dst)
		for _, e := range v.sc.events {
			if e.choice == c && e.kind == kindText {
				if len(dst) > from {
					dst = append(dst, ',')
				}
				dst = v.appendLogprobs(dst, e.text)
			}
		}
		dst = append(dst, `],"refusal":null}`...)
	} else {
		dst = append(dst, "null"...)
	}
	dst = appendString(append(dst, `,"finish_reason":`...), chatFinish(f.end))
	return append(dst, '}')
}

// appendFreeCall appends the call of a tool without a form, after the brace.
func (v *chatVoice) appendFreeCall(dst []byte, call toolCall, input string) []byte {
	dst = append(dst, `"id":"call_`...)
	dst = append(dst, call.id...)
	dst = appendString(append(dst, `","type":"custom","custom":{"name":`...), call.name)
	dst = appendString(append(dst, `,"input":`...), input)
	return append(dst, "}}"...)
}

// appendLogprobs appends the probability of a token, made up but below one.
func (v *chatVoice) appendLogprobs(dst []byte, token string) []byte {
	one := func(token string, rank int) {
		dst = appendString(append(dst, `{"token":`...), token)
		dst = strconv.AppendFloat(append(dst, `,"logprob":`...), -0.125*float64(1+rank), 'g', -1, 64)
		dst = append(dst, `,"bytes":[`...)
		for i := range len(token) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, int64(token[i]), 10)
		}
		dst = append(dst, ']')
	}
	one(token, 0)
	dst = append(dst, `,"top_logprobs":[`...)
	for rank := range v.tops {
		if rank > 0 {
			dst = append(dst, ',')
		}
		one([]string{token, " other"}[min(rank, 1)], rank)
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

// appendChatCitation appends the one source that is ever cited, as a list of annotations.
func appendChatCitation(dst []byte, text string) []byte {
	dst = strconv.AppendInt(append(dst, `[{"type":"url_citation","url_citation":{"start_index":0,"end_index":`...), int64(len([]rune(text))/2), 10)
	return append(dst, `,"url":"https://example.com/source","title":"A source"}}]`...)
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
	case finishFilter:
		return "content_filter"
	case finishStop, finishSequence, finishPause, finishRefusal:
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
