package proxy

import (
	"aihigress/internal/dialect"
	"aihigress/internal/dialect/form"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
	"aihigress/internal/upstream"
)

// Answers here are sound, subtitles, plain text, JSON or events.
var (
	speech = endpoint{dialect: reports(openai.Speech, false, true), operation: upstream.Speech, path: "/audio/speech",
		streams: true, output: true, usual: speechTokens, beside: true}
	transcriptions = endpoint{dialect: reports(nil, true, true), operation: upstream.Transcribe, path: "/audio/transcriptions",
		streams: true, output: true, beside: true, form: formOnly}
	translations = endpoint{dialect: reports(nil, true, true), operation: upstream.TranslateAudio, path: "/audio/translations",
		streams: true, output: true, beside: true, form: formOnly}
)

// speechTokens is what the longest text that OpenAI's models read out takes: 4096 characters are some five minutes of sound,
// a minute of which is 1,250 tokens (platform.openai.com, "Pricing").
const speechTokens = 6250

// reports is OpenAI's dialect at an endpoint whose requests are a form, and whose answers are watched for usage: the text in
// them for an estimate if it was generated, and without being held to JSON if lenient.
func reports(f *form.Form, generated, lenient bool) operating {
	o := operating{Dialect: dialects[llm.OpenAI], watch: func(onText func(part []byte)) dialect.Watch {
		if !generated {
			onText = nil
		}
		return openai.WatchReport(onText, lenient)
	}}
	if f != nil {
		o.scan = f.Scan
	}
	return o
}
