package simulator

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// geminiVoice renders scripts as generateContent responses. Function calls are not streamed in pieces.
type geminiVoice struct {
	s     *Server
	sc    *script
	array bool // the stream is a JSON array
	usage bool // whether usage is reported at all

	begun  bool
	sent   int // tokens of the answer so far, without thoughts
	args   strings.Builder
	call   event // the call that is being put together
	inCall bool
	signed bool
}

func newGeminiVoice(s *Server, sc *script, array bool) *geminiVoice {
	return &geminiVoice{s: s, sc: sc, array: array}
}

func (v *geminiVoice) event(dst []byte, e event) []byte {
	if e.isToken() && e.kind != kindReasoning {
		v.sent++
	}
	if v.inCall && e.kind != kindArgs {
		v.inCall = false
		dst = v.open(dst)
		dst = v.appendCall(dst, v.call, v.args.String())
		dst = v.close(dst, v.call.choice, "")
	}
	switch e.kind {
	case kindReasoning, kindText, kindImage:
		dst = v.open(dst)
		dst = v.appendPart(dst, e)
		dst = v.close(dst, e.choice, "")
	case kindCall:
		v.inCall, v.call = true, e
		v.args.Reset()
	case kindArgs:
		v.args.WriteString(e.text)
	case kindFinish:
		dst = v.open(dst)
		if e.finish != finishRefusal && e.finish != finishFilter {
			dst = append(dst, `{"text":""`...)
			if len(v.sc.calls[e.choice]) == 0 {
				dst = v.appendSignature(dst)
			}
			dst = append(dst, '}')
		}
		dst = v.close(dst, e.choice, geminiFinish(e.finish))
	case kindStart, kindRefusal:
	}
	return dst
}

// open begins a chunk, up to its parts.
func (v *geminiVoice) open(dst []byte) []byte {
	switch {
	case !v.array:
		dst = append(dst, "data: "...)
	case !v.begun:
		dst = append(dst, '[')
	default:
		dst = append(dst, ",\n"...)
	}
	v.begun = true
	return append(dst, `{"candidates":[{"content":{"parts":[`...)
}

// close ends a chunk, with the reason where the candidate ends with it.
func (v *geminiVoice) close(dst []byte, choice uint16, finish string) []byte {
	dst = append(dst, `],"role":"model"}`...)
	dst = v.appendFinish(dst, choice, finish)
	dst = v.appendTail(append(dst, "}]"...), v.sent)
	if v.array {
		return append(dst, '}')
	}
	return append(dst, "}\n\n"...)
}

func (v *geminiVoice) appendFinish(dst []byte, choice uint16, finish string) []byte {
	if finish != "" {
		dst = appendString(append(dst, `,"finishReason":`...), finish)
		if finish == "SAFETY" {
			dst = append(dst, `,"safetyRatings":[{"category":"HARM_CATEGORY_DANGEROUS_CONTENT","probability":"HIGH","blocked":true}]`...)
		}
		if v.sc.cited {
			dst = append(dst, `,"groundingMetadata":{"webSearchQueries":["a source"],"groundingChunks":[{"web":{"uri":"https://example.com/source","title":"A source"}}],"groundingSupports":[`...)
			words := v.sc.fold(choice).text
			end := len(words) / 2
			dst = strconv.AppendInt(append(dst, `{"segment":{"startIndex":0,"endIndex":`...), int64(end), 10)
			dst = appendString(append(dst, `,"text":`...), strings.ToValidUTF8(words[:end], ""))
			dst = append(dst, `},"groundingChunkIndices":[0]}]}`...)
		}
		if len(v.sc.calls[choice]) > 0 && finish == "STOP" {
			dst = append(dst, `,"finishMessage":"Model generated function call(s)."`...)
		}
	}
	return strconv.AppendInt(append(dst, `,"index":`...), int64(choice), 10)
}

// appendTail appends what follows the candidates. Thoughts are not part of the candidates' tokens.
func (v *geminiVoice) appendTail(dst []byte, sent int) []byte {
	if v.usage {
		u := v.sc.usage
		dst = strconv.AppendInt(append(dst, `,"usageMetadata":{"promptTokenCount":`...), int64(u.prompt), 10)
		if u.cached > 0 {
			dst = strconv.AppendInt(append(dst, `,"cachedContentTokenCount":`...), int64(u.cached), 10)
			dst = strconv.AppendInt(append(dst, `,"cacheTokensDetails":[{"modality":"TEXT","tokenCount":`...), int64(u.cached), 10)
			dst = append(dst, "}]"...)
		}
		if sent > 0 {
			dst = strconv.AppendInt(append(dst, `,"candidatesTokenCount":`...), int64(sent), 10)
		}
		dst = strconv.AppendInt(append(dst, `,"totalTokenCount":`...), int64(u.prompt+sent+u.reasoning), 10)
		dst = strconv.AppendInt(append(dst, `,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`...), int64(u.prompt), 10)
		dst = append(dst, "}]"...)
		if u.reasoning > 0 {
			dst = strconv.AppendInt(append(dst, `,"thoughtsTokenCount":`...), int64(u.reasoning), 10)
		}
		dst = append(dst, `,"serviceTier":"standard"}`...)
	}
	dst = appendString(append(dst, `,"modelVersion":`...), v.sc.model)
	if v.sc.pad > 0 {
		dst = appendPad(dst, v.sc.pad)
	}
	return appendString(append(dst, `,"responseId":`...), v.sc.id)
}

// appendPart appends a thought, a text or a picture.
func (v *geminiVoice) appendPart(dst []byte, e event) []byte {
	if e.kind == kindImage {
		dst = append(dst, `{"inlineData":{"mimeType":"image/png","data":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, picture(v.sc.seed))
		return append(dst, `"}}`...)
	}
	dst = appendString(append(dst, `{"text":`...), e.text)
	if e.kind == kindReasoning {
		dst = append(dst, `,"thought":true`...)
	}
	return append(dst, '}')
}

func (v *geminiVoice) appendCall(dst []byte, e event, args string) []byte {
	if int(e.call) >= len(v.sc.calls[e.choice]) {
		return append(dst, `{"text":""}`...)
	}
	call := v.sc.calls[e.choice][e.call]
	dst = appendString(append(dst, `{"functionCall":{"name":`...), call.name)
	dst = append(dst, `,"args":`...)
	dst = append(dst, wholeObject(args)...)
	dst = appendString(append(dst, `,"id":`...), call.id[:8])
	return append(v.appendSignature(append(dst, '}')), '}')
}

// appendSignature appends the signature of the answer's thoughts to the part that carries it: the first call, or the end
// of the text.
func (v *geminiVoice) appendSignature(dst []byte) []byte {
	if v.signed || v.sc.unsigned || v.sc.usage.reasoning == 0 {
		return dst
	}
	v.signed = true
	return appendString(append(dst, `,"thoughtSignature":`...), v.s.sign(sealThought, "", v.sc.seed))
}

func (v *geminiVoice) end(dst []byte) []byte {
	if v.array {
		return append(dst, "]\n"...)
	}
	return dst
}

func (v *geminiVoice) failure(dst []byte) []byte {
	body := gemini{}.errorBody(nil, failure{status: 503})
	if v.array {
		if v.begun {
			dst = append(dst, ",\n"...)
		} else {
			dst = append(dst, '[')
		}
		return append(append(dst, body...), "]\n"...)
	}
	return append(append(append(dst, "data: "...), body...), "\n\n"...)
}

func (v *geminiVoice) body(dst []byte) []byte {
	dst = append(dst, `{"candidates":[`...)
	for c := range v.sc.choices {
		if c > 0 {
			dst = append(dst, ',')
		}
		dst = v.appendCandidate(dst, uint16(c))
	}
	u := v.sc.usage
	dst = v.appendTail(append(dst, ']'), u.completion-u.reasoning)
	return append(dst, '}')
}

func (v *geminiVoice) appendCandidate(dst []byte, c uint16) []byte {
	f := v.sc.fold(c)
	v.signed = false
	dst = append(dst, `{"content":{"parts":[`...)
	from := len(dst)
	sep := func() {
		if len(dst) > from {
			dst = append(dst, ',')
		}
	}
	if f.reasoning != "" {
		dst = appendString(append(dst, `{"text":`...), f.reasoning)
		dst = append(dst, `,"thought":true}`...)
	}
	if f.text != "" {
		sep()
		dst = appendString(append(dst, `{"text":`...), f.text)
		if len(f.args) == 0 {
			dst = v.appendSignature(dst)
		}
		dst = append(dst, '}')
	}
	if f.image {
		sep()
		dst = v.appendPart(dst, event{kind: kindImage})
	}
	for i, args := range f.args {
		sep()
		dst = v.appendCall(dst, event{choice: c, call: uint16(i)}, args)
	}
	dst = append(dst, `],"role":"model"}`...)
	return append(v.appendFinish(dst, c, geminiFinish(f.end)), '}')
}

func geminiFinish(f finish) string {
	switch f {
	case finishLength:
		return "MAX_TOKENS"
	case finishFilter, finishRefusal:
		return "SAFETY"
	case finishStop, finishTools, finishSequence, finishPause:
	}
	return "STOP"
}
