package proxy_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/usage"
)

// What only OpenAI's dialect has passes through, and is paid by what the vendor tells.
func TestOperationsPassThrough(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path, body, answer   string
		input, output        int64 // 0 of the input is an estimate
		image, estimatedMade bool
	}{
		{"/moderations", `{"model":"m","input":["a",{"type":"image_url"}]}`, `{"id":"modr-1","model":"up-m","results":[{"flagged":false}]}`, 0, 0, false, false},
		{"/rerank", `{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true}`, `{"results":[],"usage":{"total_tokens":100}}`, 100, 0, false, false},
		{"/rerank", `{"model":"m","query":"q","documents":["a"]}`, `{"results":[],"meta":{"billed_units":{"input_tokens":100,"search_units":1},"tokens":{"input_tokens":100}}}`, 100, 0, false, false},
		{"/rerank", `{"model":"m","query":"q","documents":["a"]}`, `{"results":[],"meta":{"billed_units":{"search_units":1}}}`, 0, 0, false, false},
		{"/images/generations", `{"model":"m","prompt":"a cat","n":2}`, `{"created":1,"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":100,"output_tokens":20,"total_tokens":120,"input_tokens_details":{"text_tokens":90,"image_tokens":10},"output_tokens_details":{"image_tokens":20,"text_tokens":0}}}`, 100, 20, true, false},
		{"/images/generations", `{"model":"m","prompt":"a cat"}`, `{"created":1,"data":[{"url":"x"}]}`, 0, 1290, true, true},
		{"/images/edits", `{"model":"m","prompt":"a cat","images":[{"image_url":"https://x.example/a.png"}]}`, `{"created":1,"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":100,"output_tokens":20,"total_tokens":120}}`, 100, 20, false, false},
	} {
		var got asked
		w := newWorld(t, []vendor{{handler: noting(&got, answer(tt.answer))}})
		a := w.post(tt.path, tt.body)
		if a.StatusCode != 200 || a.body != tt.answer || got != (asked{"/v1" + tt.path, strings.Replace(tt.body, `"m"`, `"up-m"`, 1), "application/json"}) {
			t.Errorf("%s: %d %s, asked %+v", tt.path, a.StatusCode, a.body, got)
		}
		e := w.only()
		told := tt.input > 0
		if e.Outcome != usage.OK || e.Endpoint != tt.path || e.Usage.Estimated == told || told && e.Usage.Input != tt.input || e.Usage.Input == 0 || e.Usage.Output != tt.output || (e.Usage.ImageOutput > 0) != tt.image {
			t.Errorf("%s: %+v", tt.path, e)
		}
		if e.Charge == nil || *e.Charge == 0 || w.credit.stillHeld() != 0 {
			t.Errorf("%s: charged %v, held %d", tt.path, e.Charge, w.credit.stillHeld())
		}
	}
}

func TestOperationsElsewhere(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/moderations", "/rerank", "/audio/speech"} {
		for _, d := range []string{"anthropic", "gemini"} {
			w := newWorld(t, []vendor{{handler: answer(`{}`)}}, ofDialect(d, "/v1beta"))
			a := w.post(path, `{"model":"m","input":"a"}`)
			if a.StatusCode != 400 || !strings.Contains(a.body, `"param":"model"`) || !strings.Contains(a.body, "not available at this endpoint") {
				t.Errorf("%s at %s: %d %s", path, d, a.StatusCode, a.body)
			}
		}
	}
}

const partial = "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AAAA\",\"partial_image_index\":0}\n\n" +
	"event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"AAAA\",\"usage\":{\"input_tokens\":100,\"output_tokens\":20,\"total_tokens\":120}}\n\n"

func TestPartialImages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: events(partial)}})
	if a := w.post("/images/generations", `{"model":"m","prompt":"a","stream":true,"partial_images":1}`); a.StatusCode != 200 || a.body != partial {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
	if e := w.only(); e.Outcome != usage.OK || !e.Streamed || e.Charge == nil || *e.Charge != charged {
		t.Errorf("%+v", e)
	}
}

const made = `{"candidates":[{"content":{"parts":[{"text":"thinking","thought":true},{"inlineData":{"mimeType":"image/png","data":"UE5H"}}]},"finishReason":"STOP"}],` +
	`"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":120,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":20}]}}`

func TestImagesByGemini(t *testing.T) {
	t.Parallel()
	picture := "\x89PNG\r\n\x1a\n\x00"
	for _, tt := range []struct {
		name, path, body, kind, vendorPath, vendorBody, vendor, want, dropped string
		status                                                                int
	}{
		{"new", "/images/generations", `{"model":"m","prompt":"a cat","size":"1536x1024","response_format":"url","quality":"high","n":2}`, "application/json",
			"/v1beta/models/up-m:generateContent",
			`{"contents":[{"role":"user","parts":[{"text":"a cat"}]}],"generationConfig":{"responseModalities":["IMAGE"],"imageConfig":{"aspectRatio":"3:2"}}}`, made,
			`"data":[{"b64_json":"UE5H"}],"output_format":"png","usage":{"input_tokens":100,"input_tokens_details":{"image_tokens":0,"text_tokens":100},"output_tokens":20,"output_tokens_details":{"image_tokens":20,"text_tokens":0},"total_tokens":120}}`,
			"response_format,quality,n", 200},
		{"changed", "/images/edits", formWith(picture), formType, "/v1beta/models/up-m:generateContent",
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"` + base64.StdEncoding.EncodeToString([]byte(picture)) + `"}},{"text":"a hat"}]}],"generationConfig":{"responseModalities":["IMAGE"]}}`,
			made, `"data":[{"b64_json":"UE5H"}]`, "", 200},
		{"Imagen", "/images/generations", `{"model":"v0/imagen-4","prompt":"a cat","size":"1792x1024","n":2}`, "application/json", "/v1beta/models/imagen-4:predict",
			`{"instances":[{"prompt":"a cat"}],"parameters":{"sampleCount":2,"aspectRatio":"16:9"}}`,
			`{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"UE5H"},{"mimeType":"image/png","bytesBase64Encoded":"UE5I"}]}`,
			`"data":[{"b64_json":"UE5H"},{"b64_json":"UE5I"}]`, "size", 200},
		{"refused", "/images/generations", `{"model":"m","prompt":"a cat"}`, "application/json", "/v1beta/models/up-m:generateContent",
			`{"contents":[{"role":"user","parts":[{"text":"a cat"}]}],"generationConfig":{"responseModalities":["IMAGE"]}}`, `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}`,
			"moderation_blocked", "", 400},
		{"streamed", "/images/generations", `{"model":"m","prompt":"a cat","stream":true}`, "application/json", "", "", made, `"param":"stream"`, "", 400},
	} {
		var got asked
		w := newWorld(t, []vendor{{handler: noting(&got, answer(tt.vendor))}}, ofDialect("gemini", "/v1beta"))
		a := w.post(tt.path, tt.body, "Content-Type", tt.kind)
		if a.StatusCode != tt.status || !strings.Contains(a.body, tt.want) || tt.status == 200 && a.Header.Get("X-Aihigress-Dropped") != tt.dropped {
			t.Errorf("%s: %d %s, without %q", tt.name, a.StatusCode, a.body, a.Header.Get("X-Aihigress-Dropped"))
		}
		if got.path != tt.vendorPath || got.body != tt.vendorBody {
			t.Errorf("%s: asked %+v", tt.name, got)
		}
		if e := w.only(); tt.status == 200 && (e.Usage.ImageOutput == 0 || e.Outcome != usage.OK) || w.credit.stillHeld() != 0 {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}

// A vendor's complaint within a 200 keeps what its header says of when to come back.
func TestComplaintsOfOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		answer(`{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"slow down"}}`)(w, r)
	}}}, ofDialect("gemini", "/v1beta"))
	a := w.post("/images/generations", `{"model":"m","prompt":"a cat"}`)
	if a.StatusCode != 429 || a.Header.Get("Retry-After") != "7" || !strings.Contains(a.body, "slow down") {
		t.Errorf("%d, Retry-After %q: %s", a.StatusCode, a.Header.Get("Retry-After"), a.body)
	}
	if e := w.only(); e.Outcome != usage.UpstreamError || w.credit.stillHeld() != 0 {
		t.Errorf("%+v", e)
	}
}

// formWith is a form that asks for a picture to be changed.
func formWith(picture string) string {
	form := formOf(0, "model=m", "prompt=a hat", "@")
	form = strings.Replace(form, `name="file"`, `name="image"`, 1)
	return strings.Replace(form, "\r\n\r\n\r\n--", "\r\n\r\n"+picture+"\r\n--", 1)
}

func TestCountTokens(t *testing.T) {
	t.Parallel()
	const ask = `{"model":"m","messages":[{"role":"user","content":"hello there"}]}`
	for _, tt := range []struct {
		name, dialect, base, path, body, vendor, want string
		estimated                                     bool
	}{
		{"asked", "anthropic", "", "/v1/messages/count_tokens", ask, `{"input_tokens":42}`, `{"input_tokens":42}`, false},
		{"asked", "gemini", "/v1beta", "/v1beta/models/m:countTokens", `{"contents":[{"parts":[{"text":"hello there"}]}]}`, `{"totalTokens":42}`, `{"totalTokens":42}`, false},
		{"translated", "gemini", "/v1beta", "/v1/messages/count_tokens", ask, `{"totalTokens":42}`, `{"input_tokens":42}`, false},
		{"translated", "responses", "/v1", "/v1/messages/count_tokens", ask, `{"object":"response.input_tokens","input_tokens":42}`, `{"input_tokens":42}`, false},
		{"translated", "anthropic", "", "/v1beta/models/m:countTokens", `{"contents":[{"parts":[{"text":"hello there"}]}]}`, `{"input_tokens":42}`, `{"totalTokens":42`, false},
		{"estimated", "openai", "/v1", "/v1/messages/count_tokens", ask, `{}`, `{"input_tokens":`, true},
		{"estimated", "openai", "/v1", "/v1beta/models/m:countTokens", `{"contents":[{"parts":[{"text":"hello there"}]}]}`, `{}`, `{"totalTokens":`, true},
	} {
		w := newWorld(t, []vendor{{handler: answer(tt.vendor)}}, ofDialect(tt.dialect, tt.base))
		a := w.below(tt.path, tt.body)
		if a.StatusCode != 200 || !strings.HasPrefix(a.body, tt.want) || (a.Header.Get("X-Aihigress-Estimated") == "true") != tt.estimated {
			t.Errorf("%s by %s: %d %s", tt.name, tt.dialect, a.StatusCode, a.body)
		}
		if e := w.only(); e.Outcome != usage.OK || !e.Usage.IsZero() || e.Charge != nil && *e.Charge != 0 || w.credit.stillHeld() != 0 || e.Hold != 0 {
			t.Errorf("%s by %s: %+v", tt.name, tt.dialect, e)
		}
	}
}

// A count that leaves something out says so, or is refused where the model's policy is to leave nothing out.
func TestCountTokensDropsNothingInSilence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, dialect, path, body, dropped string }{
		{"a tool of the vendor's own", "gemini", "/v1/messages/count_tokens",
			`{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, "tools[].web_search_20250305"},
		{"a file", "responses", "/v1/messages/count_tokens",
			`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"document","source":{"type":"file","file_id":"f"}}]}]}`, "messages[].content[].source.file_id"},
		{"sound", "anthropic", "/v1beta/models/m:countTokens",
			`{"contents":[{"parts":[{"text":"hi"},{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}}]}]}`, "contents.parts.inlineData"},
	} {
		for _, unsupported := range []string{"drop", "reject"} {
			w := newWorld(t, []vendor{{handler: answer(`{"input_tokens":42,"totalTokens":42}`)}}, ofDialect(tt.dialect, "/v1beta"), policy(unsupported))
			a := w.below(tt.path, tt.body)
			if unsupported == "drop" && (a.StatusCode != 200 || a.Header.Get("X-Aihigress-Dropped") != tt.dropped) {
				t.Errorf("%s: %d %s, without %q", tt.name, a.StatusCode, a.body, a.Header.Get("X-Aihigress-Dropped"))
			}
			if unsupported == "reject" && (a.StatusCode != 400 || !strings.Contains(a.body, tt.dropped) || len(w.only().Attempts) != 0) {
				t.Errorf("%s: %d %s, want a refusal of %s", tt.name, a.StatusCode, a.body, tt.dropped)
			}
		}
	}
}

func TestModelsInEveryForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(`{}`)}})
	get := func(path string, headers ...string) string {
		r := w.request("", "", headers...)
		r.Method, r.Body, r.ContentLength = "GET", nil, 0
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		return w.do(r).body
	}
	const anthropicM = `{"type":"model","id":"m","display_name":"m","created_at":"2023-11-14T22:13:20Z"}`
	const geminiM = `{"name":"models/m","baseModelId":"m","version":"1","displayName":"m","supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]}`
	for _, tt := range []struct{ path, header, want string }{
		{"/v1/models/m", "", `{"id":"m","object":"model","created":1700000000,"owned_by":"aihigress"}`},
		{"/v1/models?limit=1", "anthropic-version", `{"data":[` + anthropicM + `],"has_more":true,"first_id":"m","last_id":"m"}`},
		{"/v1/models?limit=1&before_id=up-m", "anthropic-version", `{"data":[` + anthropicM + `],"has_more":false,"first_id":"m","last_id":"m"}`},
		{"/v1/models?after_id=up-m", "anthropic-version", `{"data":[],"has_more":false,"first_id":null,"last_id":null}`},
		{"/v1/models/m", "anthropic-version", anthropicM},
		{"/v1beta/models?pageSize=1", "", `{"models":[` + geminiM + `],"nextPageToken":"bQ"}`},
		{"/v1beta/models/m", "", geminiM},
	} {
		headers := []string{}
		if tt.header != "" {
			headers = []string{tt.header, "2023-06-01"}
		}
		if got := get(tt.path, headers...); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.path, got, tt.want)
		}
	}
	if got := get("/v1beta/models?pageToken=bQ"); !strings.HasPrefix(got, `{"models":[{"name":"models/up-m"`) || strings.Contains(got, "nextPageToken") {
		t.Errorf("the next page: %s", got)
	}
	if got := get("/v1/models/none", "anthropic-version", "x"); !strings.Contains(got, `"type":"not_found_error"`) {
		t.Errorf("unknown: %s", got)
	}
	if got := get("/v1beta/models/none"); !strings.Contains(got, `"NOT_FOUND"`) {
		t.Errorf("unknown: %s", got)
	}
}
