package gemini

import (
	"strconv"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// reasons are the values of finishReason and of blockReason, and what they are elsewhere.
var reasons = map[string]llm.Finish{
	"STOP":                      llm.FinishStop,
	"MAX_TOKENS":                llm.FinishLength,
	"SAFETY":                    llm.FinishFilter,
	"RECITATION":                llm.FinishFilter,
	"LANGUAGE":                  llm.FinishFilter,
	"BLOCKLIST":                 llm.FinishFilter,
	"PROHIBITED_CONTENT":        llm.FinishFilter,
	"SPII":                      llm.FinishFilter,
	"IMAGE_SAFETY":              llm.FinishFilter,
	"IMAGE_PROHIBITED_CONTENT":  llm.FinishFilter,
	"IMAGE_RECITATION":          llm.FinishFilter,
	"MODEL_ARMOR":               llm.FinishFilter,
	"JAILBREAK":                 llm.FinishFilter,
	"MALFORMED_FUNCTION_CALL":   llm.FinishMalformed,
	"MALFORMED_RESPONSE":        llm.FinishMalformed,
	"UNEXPECTED_TOOL_CALL":      llm.FinishMalformed,
	"TOO_MANY_TOOL_CALLS":       llm.FinishMalformed,
	"MISSING_THOUGHT_SIGNATURE": llm.FinishMalformed,
	"CONTINUATION":              llm.FinishPause,
	"OTHER":                     llm.FinishError,
	"NO_IMAGE":                  llm.FinishError,
	"IMAGE_OTHER":               llm.FinishError,
}

// numbered are the words of finishReason by number, as far as the Gemini API and Vertex AI number alike.
var numbered = []string{"", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER"}

// enum is the word of an enum, which may come as a number; "" where nothing was said.
func enum(v jsontext.Value) string {
	if len(v) == 0 {
		return ""
	}
	if v.Kind() == '"' {
		b, _ := jsontext.AppendUnquote(nil, v)
		if word := string(b); said(word) {
			return word
		}
		return ""
	}
	n, err := strconv.Atoi(string(v))
	switch {
	case err != nil || n <= 0:
		return ""
	case n < len(numbered):
		return numbered[n]
	}
	return strconv.Itoa(n)
}

// wireFinish is the finishReason of an answer: the vendor's own word where it is Google's, else the nearest.
func wireFinish(f llm.Finish, reason string) string {
	if own, ok := reasons[reason]; ok && (own == f || own == llm.FinishStop && f == llm.FinishTools) {
		return reason
	}
	switch f {
	case llm.FinishStop, llm.FinishStopSequence, llm.FinishTools, llm.FinishPause:
		return "STOP"
	case llm.FinishLength, llm.FinishContext:
		return "MAX_TOKENS"
	case llm.FinishFilter, llm.FinishRefusal:
		return "SAFETY"
	case llm.FinishMalformed:
		return "MALFORMED_FUNCTION_CALL"
	case llm.FinishUnknown, llm.FinishError:
	}
	return "OTHER"
}
