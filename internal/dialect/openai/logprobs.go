package openai

import (
	"math"
	"strconv"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// logprobs are those of a chat completion, or in the lists of a legacy completion.
type logprobs struct {
	Content []tokenLogprob `json:"content"`
	Refusal []tokenLogprob `json:"refusal"`

	Tokens        []string             `json:"tokens"`
	TokenLogprobs []*float64           `json:"token_logprobs"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
}

type tokenLogprob struct {
	Token   string         `json:"token"`
	Logprob float64        `json:"logprob"`
	Bytes   []count        `json:"bytes"`
	Top     []tokenLogprob `json:"top_logprobs"`
}

func (t *tokenLogprob) neutral(refusal bool) llm.Logprob {
	p := llm.Logprob{Token: t.Token, Logprob: t.Logprob, Refusal: refusal}
	if t.Bytes != nil {
		p.Bytes = make([]byte, len(t.Bytes))
		for i, b := range t.Bytes {
			p.Bytes[i] = byte(b)
		}
	}
	for i := range t.Top {
		p.Top = append(p.Top, t.Top[i].neutral(false))
	}
	return p
}

// neutral are the logprobs as the neutral model has them.
func (l *logprobs) neutral() []llm.Logprob {
	if l == nil {
		return nil
	}
	var list []llm.Logprob
	for i := range l.Content {
		list = append(list, l.Content[i].neutral(false))
	}
	for i := range l.Refusal {
		list = append(list, l.Refusal[i].neutral(true))
	}
	for i, token := range l.Tokens {
		p := llm.Logprob{Token: token}
		if i < len(l.TokenLogprobs) && l.TokenLogprobs[i] != nil { // the first token of an echoed prompt has none
			p.Logprob = *l.TokenLogprobs[i]
		}
		if i < len(l.TopLogprobs) {
			p.Top = sortedTop(l.TopLogprobs[i])
		}
		list = append(list, p)
	}
	return list
}

// appendLogprobs appends the logprobs of an answer, or null.
func appendLogprobs(b []byte, list []llm.Logprob) []byte {
	if len(list) == 0 {
		return append(b, "null"...)
	}
	b = append(b, `{"content":`...)
	b = appendTokens(b, list, false)
	b = append(b, `,"refusal":`...)
	b = appendTokens(b, list, true)
	return append(b, '}')
}

// appendTokens appends those of the text or of the refusal; null where there are none.
func appendTokens(b []byte, list []llm.Logprob, refusal bool) []byte {
	open := byte('[')
	for i := range list {
		if list[i].Refusal != refusal {
			continue
		}
		b = append(b, open)
		open = ','
		b = appendToken(b, &list[i])
		b = append(b, `,"top_logprobs":[`...)
		for j := range list[i].Top {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(appendToken(b, &list[i].Top[j]), '}')
		}
		b = append(b, "]}"...)
	}
	if open == '[' {
		return append(b, "null"...)
	}
	return append(b, ']')
}

// appendToken appends one without its end.
func appendToken(b []byte, p *llm.Logprob) []byte {
	b = jsonwrite.String(append(b, `{"token":`...), p.Token)
	b = appendFloat(append(b, `,"logprob":`...), p.Logprob)
	b = append(b, `,"bytes":`...)
	if p.Bytes == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, c := range p.Bytes {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(c), 10)
	}
	return append(b, ']')
}

// appendFloat appends a number; what JSON has no number for becomes OpenAI's -9999, "very unlikely".
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = -9999
	}
	return append(b, jsontext.Float(f).String()...)
}
