package openai

import (
	"aihigress/internal/dialect"
	"aihigress/internal/dialect/form"
)

// The endpoints beside generation that only this dialect has: their requests as forms, and how their answers are watched.
var (
	// Speech is POST /audio/speech, which answers with sound, or with events where stream_format is sse.
	Speech = form.New("", map[string]form.Role{
		"model": form.Model, "input": form.Text, "instructions": form.Text, "stream_format": form.StreamFormat,
	})
	// Moderations is POST /moderations. It is the one endpoint whose model may be left out (OpenAI's specification names the
	// default).
	Moderations = form.New("omni-moderation-latest", map[string]form.Role{
		"model": form.Model, "input": form.Text, "input[]": form.Text, "input[].text": form.Text, "input[].image_url": form.Picture,
	})
	// Rerank is POST /rerank as Jina and Cohere have it, which OpenAI has not.
	Rerank = form.New("", map[string]form.Role{
		"model": form.Model, "query": form.Text, "query.text": form.Text, "documents[]": form.Text, "documents[].text": form.Text,
	})
)

// WatchReport watches the answers of endpoints beside generation: for usage in the words of the Responses API, of Cohere and
// of Jina, and for the text of a transcript. Where such an answer need not be JSON, sound and subtitles, lenient takes it as
// it comes, and passes on what is text.
func WatchReport(onText func(part []byte), lenient bool) dialect.Watch {
	w := &reportWatch{onText: onText, lenient: lenient}
	w.begin()
	return w
}
