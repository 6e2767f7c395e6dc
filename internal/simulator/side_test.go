package simulator_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/simulator"

	"github.com/openai/openai-go/v3"
)

func TestCompletions(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	params := openai.CompletionNewParams{Model: "sim-chat?tokens=5", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Once")}, Echo: openai.Bool(true)}
	whole, err := v.client.Completions.New(t.Context(), params)
	if err != nil || len(whole.Choices) != 1 || whole.Usage.CompletionTokens != 5 || !strings.HasPrefix(whole.Choices[0].Text, "Once") {
		t.Fatalf("%+v, %v", whole, err)
	}
	stream := v.client.Completions.NewStreaming(t.Context(), params)
	text, finish := "", ""
	for stream.Next() {
		text += stream.Current().Choices[0].Text
		finish += string(stream.Current().Choices[0].FinishReason)
	}
	if stream.Err() != nil || text != whole.Choices[0].Text || finish != "stop" {
		t.Errorf("streamed %q, %q, %v; at once %q", text, finish, stream.Err(), whole.Choices[0].Text)
	}
}

func TestModerationsAndRerank(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	got, err := v.client.Moderations.New(t.Context(), openai.ModerationNewParams{Input: openai.ModerationNewParamsInputUnion{OfStringArray: []string{"peace", "violence"}}})
	if err != nil || len(got.Results) != 2 || got.Results[0].Flagged || !got.Results[1].Categories.Violence {
		t.Errorf("moderations: %+v, %v", got, err)
	}
	ranked := post(t, v, "/v1/rerank", `{"model":"r","query":"blue sea","documents":["a red car",{"text":"the blue sea"},"blue"],"top_n":2,"return_documents":true}`, nil)
	if want := `"results":[{"index":1,"relevance_score":1,"document":{"text":"the blue sea"}},{"index":2,"relevance_score":0.5,`; !strings.Contains(ranked.text, want) {
		t.Errorf("rerank: %s\nwant %s", ranked.text, want)
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	isPNG := func(b64 string) {
		t.Helper()
		b, err := base64.StdEncoding.DecodeString(b64)
		if err == nil {
			_, err = png.Decode(bytes.NewReader(b))
		}
		if err != nil {
			t.Error(err)
		}
	}
	made, err := v.client.Images.Generate(t.Context(), openai.ImageGenerateParams{Prompt: "a cat", N: openai.Int(2)})
	if err != nil || len(made.Data) != 2 || made.Data[0].B64JSON == made.Data[1].B64JSON || made.Usage.OutputTokens != 544 {
		t.Fatalf("generations: %+v, %v", made, err)
	}
	isPNG(made.Data[1].B64JSON)
	linked, err := v.client.Images.Generate(t.Context(), openai.ImageGenerateParams{Prompt: "a cat", ResponseFormat: "url"})
	if err != nil || !strings.HasPrefix(linked.Data[0].URL, "https://") {
		t.Errorf("url: %+v, %v", linked, err)
	}
	edited, err := v.client.Images.Edit(t.Context(), openai.ImageEditParams{Prompt: "a dog", Model: "sim-image",
		Image: openai.ImageEditParamsImageUnion{OfFile: openai.File(strings.NewReader("picture"), "a.png", "image/png")}})
	if err != nil || len(edited.Data) != 1 {
		t.Fatalf("edits: %+v, %v", edited, err)
	}
	stream := v.client.Images.GenerateStreaming(t.Context(), openai.ImageGenerateParams{Prompt: "a cat", PartialImages: openai.Int(2)})
	var kinds []string
	for stream.Next() {
		kinds = append(kinds, stream.Current().Type)
		isPNG(stream.Current().B64JSON)
	}
	if got := strings.Join(kinds, " "); stream.Err() != nil || got != "image_generation.partial_image image_generation.partial_image image_generation.completed" {
		t.Errorf("streamed %s, %v", got, stream.Err())
	}
	if got := post(t, v, "/v1/images/edits", `{"prompt":"x"}`, nil); got.status != 400 || !strings.Contains(got.text, `"param":"image"`) {
		t.Errorf("edit of nothing: %d %s", got.status, got.text)
	}
}

func TestSpeech(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	for format, magic := range map[string]string{"mp3": "\xff\xfb", "wav": "RIFF", "pcm": "\x00\x00"} {
		resp, err := v.client.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{
			Input: "Hello there.", Model: "sim-speech", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")}, ResponseFormat: openai.AudioSpeechNewParamsResponseFormat(format),
		})
		if err != nil {
			t.Fatal(err)
		}
		sound, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.HasPrefix(string(sound), magic) || len(sound) < 1000 {
			t.Errorf("%s: %d bytes, %v", format, len(sound), err)
		}
		if size := len(sound) - 44; format == "wav" && (string(sound[8:16]) != "WAVEfmt " || int(sound[40])|int(sound[41])<<8 != size&0xffff) {
			t.Errorf("wav: header %q for %d bytes", sound[:44], size)
		}
	}
	got := post(t, v, "/v1/audio/speech", `{"model":"s","input":"hi","voice":"alloy","stream_format":"sse"}`, nil)
	if !strings.HasPrefix(got.text, `data: {"type":"speech.audio.delta","audio":"//uQ`) || !strings.Contains(got.text, `{"type":"speech.audio.done","usage":{`) {
		t.Errorf("events: %.200s", got.text)
	}
	for body, want := range map[string]string{`{"model":"s","voice":"a"}`: "'input'", `{"model":"s","input":"hi"}`: "'voice'", `{"model":"s","input":"hi","voice":"a","response_format":"opus"}`: "opus"} {
		if got := post(t, v, "/v1/audio/speech", body, nil); got.status != 400 || !strings.Contains(got.text, want) {
			t.Errorf("%s: %d %s", body, got.status, got.text)
		}
	}
}

func TestTranscription(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	ask := func(path string, fields ...string) answer {
		t.Helper()
		var b bytes.Buffer
		form := multipart.NewWriter(&b)
		file, err := form.CreateFormFile("file", "a.wav")
		if err == nil {
			_, err = file.Write(bytes.Repeat([]byte("sound"), 1000))
		}
		for i := 0; i < len(fields) && err == nil; i += 2 {
			err = form.WriteField(fields[i], fields[i+1])
		}
		if err == nil {
			err = form.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return post(t, v, path, b.String(), http.Header{"Content-Type": {form.FormDataContentType()}})
	}
	const path = "/v1/audio/transcriptions"
	var plain, verbose struct {
		Text     string
		Segments []any
		Usage    map[string]any
	}
	got := ask(path, "model", "sim-hear")
	if err := json.Unmarshal([]byte(got.text), &plain); err != nil || len(strings.Fields(plain.Text)) != 12 || plain.Usage["input_tokens"] != 6.0 {
		t.Fatalf("json: %s, %v", got.text, err)
	}
	if text := ask("/v1/audio/translations", "model", "sim-hear", "response_format", "text"); text.text != plain.Text+"\n" {
		t.Errorf("text: %q, want %q", text.text, plain.Text)
	}
	if err := json.Unmarshal([]byte(ask(path, "model", "sim-hear", "response_format", "verbose_json").text), &verbose); err != nil || len(verbose.Segments) != 1 {
		t.Errorf("verbose_json: %+v, %v", verbose, err)
	}
	streamed := ask(path, "model", "sim-hear", "stream", "true").text
	if strings.Count(streamed, `"transcript.text.delta"`) != 12 || !strings.Contains(streamed, `"transcript.text.done","text":`) || !strings.HasSuffix(streamed, "[DONE]\n\n") {
		t.Errorf("streamed: %s", streamed)
	}
	if got := ask(path, "model", "sim-hear?error=503"); got.status != 503 {
		t.Errorf("knobs of a form's model: %d", got.status)
	}
	if got := ask(path); got.status != 400 || !strings.Contains(got.text, "model") {
		t.Errorf("without a model: %d %s", got.status, got.text)
	}
	if got := post(t, v, path, "no form", http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}); got.status != 400 {
		t.Errorf("no form: %d %s", got.status, got.text)
	}
}

func TestStrictChat(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	call := `{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	result := `{"role":"tool","tool_call_id":"c1","content":"5"}`
	for _, tt := range []struct{ messages, more, want string }{
		{`{"role":"user","content":"a"}`, `,"top_k":5`, `Unknown parameter: 'top_k'.`},
		{call + `,{"role":"user","content":"a"}`, ``, `did not have response messages: c1`},
		{result, ``, `must be a response to a preceding message`},
		{strings.Replace(call, "c1", strings.Repeat("c", 41), 1), ``, `string too long`},
		{`{"role":"user","content":"a"},` + call + `,` + result, ``, ``},
	} {
		for strict, want := range map[string]string{"on": tt.want, "off": ""} {
			got := post(t, v, "/v1/chat/completions", `{"model":"sim-chat?strict=`+strict+`","messages":[`+tt.messages+`]`+tt.more+`}`, nil)
			if (got.status == 400) != (want != "") || !strings.Contains(got.text, want) {
				t.Errorf("strict=%s, %s: %d %s\nwant %q", strict, tt.messages, got.status, got.text, want)
			}
		}
	}
}
