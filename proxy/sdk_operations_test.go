package proxy_test

import (
	"io"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// OpenAI's own client for Go uses the endpoints beside generation.
func TestOpenAISDKBesideGeneration(t *testing.T) {
	t.Parallel()
	client := func(answer, kind string, gemini bool) (openai.Client, *world) {
		changes := ofDialect("openai", "/v1")
		if gemini {
			changes = ofDialect("gemini", "/v1beta")
		}
		w := newWorld(t, []vendor{{handler: script(200, kind, answer)}}, changes)
		return openai.NewClient(option.WithBaseURL(w.url+"/"), option.WithAPIKey(w.key), option.WithMaxRetries(0)), w
	}
	c, _ := client(`{"embedding":{"values":[0.5,-1]}}`, "application/json", true)
	vector, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "m", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("hello")}})
	if err != nil || len(vector.Data) != 1 || vector.Data[0].Embedding[1] != -1 || vector.Usage.PromptTokens == 0 {
		t.Errorf("embeddings: %+v, %v", vector, err)
	}
	c, _ = client(made, "application/json", true)
	picture, err := c.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: "m", Prompt: "a cat"})
	if err != nil || len(picture.Data) != 1 || picture.Data[0].B64JSON != "UE5H" || picture.Usage.OutputTokens != 20 {
		t.Errorf("images: %+v, %v", picture, err)
	}
	c, w := client(transcript, "application/json", false)
	text, err := c.Audio.Transcriptions.New(t.Context(), openai.AudioTranscriptionNewParams{Model: "m", File: strings.NewReader("sound")})
	if err != nil || text.Text != "Hello" || w.only().Usage.Output != 20 {
		t.Errorf("transcription: %+v, %v", text, err)
	}
	c, _ = client("ID3sound", "audio/mpeg", false)
	spoken, err := c.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{Model: "m", Input: "hello", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")}})
	if err != nil {
		t.Fatal(err)
	}
	defer spoken.Body.Close()
	if sound, err := io.ReadAll(spoken.Body); err != nil || string(sound) != "ID3sound" {
		t.Errorf("speech: %q, %v", sound, err)
	}
	c, _ = client(`{"id":"modr-1","model":"up-m","results":[{"flagged":true}]}`, "application/json", false)
	verdict, err := c.Moderations.New(t.Context(), openai.ModerationNewParams{Model: "m", Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("hello")}})
	if err != nil || len(verdict.Results) != 1 || !verdict.Results[0].Flagged {
		t.Errorf("moderation: %+v, %v", verdict, err)
	}
}
