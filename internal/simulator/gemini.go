package simulator

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// gemini is the dialect of generativelanguage.googleapis.com, and that of Google's models on Vertex AI, which differs in
// paths and in the credential.
type gemini struct{ vertex bool }

func (s *Server) routeGemini() {
	v := gemini{}
	for _, version := range []string{"/v1beta", "/v1alpha"} {
		s.mux.HandleFunc("POST "+version+"/models/{call...}", s.endpoint(v, answerGemini))
		s.mux.HandleFunc("GET "+version+"/models", s.endpoint(v, answerGeminiModels))
		s.mux.HandleFunc("GET "+version+"/models/{call...}", s.endpoint(v, answerGeminiModels))
	}
}

func (v gemini) key(r *http.Request) string {
	if v.vertex {
		return openAI{}.key(r)
	}
	if key := r.Header.Get("X-Goog-Api-Key"); key != "" {
		return key
	}
	if key := r.URL.Query().Get("key"); key != "" {
		return key
	}
	return openAI{}.key(r)
}

func (gemini) model(r *http.Request, _ []byte) string {
	name, _ := splitCall(r.PathValue("call"))
	return name
}

func (gemini) header(h http.Header, x *exchange) {
	h.Set("Server-Timing", "gfet4t7; dur="+itoa(int(x.number%900)))
	h.Set("Vary", "Origin, X-Origin, Referer")
	h.Set("X-Content-Type-Options", "nosniff")
}

func (v gemini) fail(w http.ResponseWriter, f failure) {
	if !v.vertex && f.status == http.StatusUnauthorized {
		switch f.key {
		case "":
			f.status = http.StatusForbidden
			f.message = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."
		case invalidKey:
			f.status = http.StatusBadRequest
			f.message = "API key not valid. Please pass a valid API key."
		}
	}
	body := v.errorBody(nil, f)
	refuse(w, f, body)
}

// geminiStatuses are Google's names of HTTP statuses.
var geminiStatuses = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
	429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}

// errorBody appends an error, which is also the data of a stream's error event.
func (gemini) errorBody(dst []byte, f failure) []byte {
	status := geminiStatuses[f.status]
	if status == "" {
		status = geminiStatuses[f.status/100*100]
	}
	if strings.ToUpper(f.code) == f.code && f.code != "" {
		status = f.code
	}
	message := f.message
	if message == "" {
		message = geminiMessage(f)
	}
	dst = strconv.AppendInt(append(dst, `{"error":{"code":`...), int64(f.status), 10)
	dst = appendString(append(dst, `,"message":`...), message)
	dst = appendString(append(dst, `,"status":`...), status)
	switch {
	case f.status == http.StatusTooManyRequests:
		delay := strconv.Itoa(int(f.retryAfter.Seconds()))
		dst = append(dst, `,"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`+delay+`s"}]`...)
	case f.param != "":
		dst = appendString(append(dst, `,"details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":`...), f.param)
		dst = appendString(append(dst, `,"description":`...), message)
		dst = append(dst, "}]}]"...)
	case f.key == invalidKey:
		dst = append(dst, `,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}}]`...)
	}
	return append(dst, "}}"...)
}

// geminiMessage is what the real vendor says with a status.
func geminiMessage(f failure) string {
	switch f.status {
	case http.StatusUnauthorized:
		return "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
	case http.StatusForbidden:
		return "Permission denied on resource project simulated-project-01."
	case http.StatusNotFound:
		return "models/" + f.model + " is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods."
	case http.StatusTooManyRequests:
		return "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
	case http.StatusServiceUnavailable:
		return "The model is overloaded. Please try again later."
	case http.StatusGatewayTimeout:
		return "Deadline expired before operation could complete."
	case http.StatusBadRequest:
		if f.code == "context_length_exceeded" {
			return "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."
		}
		return "Request contains an invalid argument."
	}
	return "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
}

// geminiBad is a refusal in Google's words, with the field that it is about, which may be empty.
func geminiBad(field, message string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, param: field, message: fmt.Sprintf(message, args...)}
}

// answerGemini answers POST /v1beta/models/{model}:{method} and its like on Vertex AI.
func answerGemini(x *exchange) outcome {
	_, method := splitCall(x.r.PathValue("call"))
	switch method {
	case "generateContent":
		return x.generateContent(false)
	case "streamGenerateContent":
		return x.generateContent(true)
	case "countTokens":
		return x.countGemini()
	case "embedContent":
		return x.embedGemini(false)
	case "batchEmbedContents":
		return x.embedGemini(true)
	case "predict":
		return x.predict()
	}
	x.vendor.fail(x.w, failure{status: http.StatusNotFound, model: x.model})
	return failed
}

func (x *exchange) generateContent(stream bool) outcome {
	array := stream && x.r.URL.Query().Get("alt") != "sse"
	if x.benched() {
		if array {
			return x.playBench(x.s.bench.geminiArray, stream, true)
		}
		return x.playBench(x.s.bench.gemini, stream, true)
	}
	q, fail := readGemini(x)
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	sc := x.s.write(q.ask(x.model), &x.knobs, x.number)
	defer sc.release()
	v := newGeminiVoice(x.s, sc, array)
	v.usage = x.knobs.usage != usageOff
	x.crlf, x.streamType = true, "text/event-stream"
	if array {
		x.streamType = "application/json; charset=UTF-8"
	}
	return x.play(sc, v, stream)
}

// countGemini answers :countTokens, whose body may hold a whole request.
func (x *exchange) countGemini() outcome {
	if inner := gjson.GetBytes(x.body, "generateContentRequest"); inner.IsObject() {
		x.body = []byte(inner.Raw)
	}
	q, fail := readGemini(x)
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	for _, t := range q.ask(x.model).prompt {
		x.prompt += t.tokens
	}
	n := itoa(x.prompt)
	x.buf = append(x.buf[:0], `{"totalTokens":`+n+`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`+n+`}]}`...)
	return x.reply(x.buf)
}

// answerGeminiModels answers GET /v1beta/models and GET /v1beta/models/{model}: every model exists.
func answerGeminiModels(x *exchange) outcome {
	if name := x.r.PathValue("call"); name != "" {
		x.buf = appendGeminiModel(x.buf[:0], name)
		return x.reply(x.buf)
	}
	b := append(x.buf[:0], `{"models":[`...)
	for i, name := range catalogue {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendGeminiModel(b, name)
	}
	x.buf = append(b, "]}"...)
	return x.reply(x.buf)
}

func appendGeminiModel(dst []byte, name string) []byte {
	methods := `["generateContent","countTokens"]`
	if strings.Contains(name, "embedding") {
		methods = `["embedContent"]`
	}
	dst = appendString(append(dst, `{"name":`...), "models/"+name)
	dst = appendString(append(dst, `,"version":"001","displayName":`...), name)
	return append(dst, `,"description":"A made-up model.","inputTokenLimit":1048576,"outputTokenLimit":65536,"supportedGenerationMethods":`+
		methods+`,"temperature":1,"topP":0.95,"topK":64,"maxTemperature":2,"thinking":true}`...)
}
