package simulator

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"
)

// openAI is the dialect of api.openai.com. Its errors are those that the real one sends; a made-up organisation and the
// ends of keys are in them as they are there, so that a gateway's scrubbing has something to scrub.
type openAI struct{}

const openAIOrganisation = "org-SimulatedOrganisation01"

func (s *Server) routeOpenAI() {
	v := openAI{}
	s.mux.HandleFunc("POST /v1/chat/completions", s.endpoint(v, answerChat))
	s.mux.HandleFunc("POST /v1/embeddings", s.endpoint(v, answerEmbeddings))
	models, model, theirs := s.endpoint(v, answerModels), s.endpoint(v, answerModel), s.endpoint(anthropic{}, answerMessagesModels)
	s.mux.HandleFunc("GET /v1/models", byVendor(models, theirs))
	s.mux.HandleFunc("GET /v1/models/{model...}", byVendor(model, theirs))
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		v.fail(w, failure{status: http.StatusNotFound, message: "Invalid URL (" + r.Method + " " + r.URL.Path + ")"})
	})
}

// byVendor parts the callers of a path that OpenAI and Anthropic share.
func byVendor(openAI, anthropic http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if isAnthropic(r) {
			anthropic(w, r)
			return
		}
		openAI(w, r)
	}
}

func (openAI) key(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

func (openAI) model(r *http.Request, body []byte) string {
	if name := r.PathValue("model"); name != "" {
		return name
	}
	if contentType := r.Header.Get("Content-Type"); strings.HasPrefix(contentType, "multipart/") {
		return formModel(contentType, body)
	}
	return gjson.GetBytes(body, "model").String()
}

func (openAI) header(h http.Header, x *exchange) {
	h.Set("X-Request-Id", "req_"+identifier(mix(x.s.seed, 5, x.number)))
	h.Set("Openai-Version", "2020-10-01")
	h.Set("Openai-Organization", openAIOrganisation)
	h.Set("Openai-Processing-Ms", strconv.FormatInt(time.Since(x.start).Milliseconds(), 10))
}

// fail answers with an error.
func (v openAI) fail(w http.ResponseWriter, f failure) { refuse(w, f, v.errorBody(nil, f)) }

func (v openAI) errorBody(dst []byte, f failure) []byte {
	f = v.complete(f)
	dst = append(dst, `{"error":{"message":`...)
	dst = appendString(dst, f.message)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, f.kind)
	dst = append(dst, `,"param":`...)
	dst = appendStringOrNull(dst, f.param)
	dst = append(dst, `,"code":`...)
	dst = appendStringOrNull(dst, f.code)
	return append(dst, "}}"...)
}

// complete fills in what the real vendor says with a status.
func (openAI) complete(f failure) failure {
	kind, code, message := "invalid_request_error", "", "Invalid request."
	switch f.status {
	case http.StatusUnauthorized:
		code = "invalid_api_key"
		message = "Incorrect API key provided: " + maskKey(f.key) + ". You can find your API key at https://platform.openai.com/account/api-keys."
		if f.key == "" {
			code = ""
			message = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
		}
	case http.StatusForbidden:
		code, message = "unsupported_country_region_territory", "Country, region, or territory not supported"
		kind = "request_forbidden"
	case http.StatusNotFound:
		code, message = "model_not_found", "The model `"+f.model+"` does not exist or you do not have access to it."
	case http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
		message = "Rate limit reached for " + f.model + " in organization " + openAIOrganisation +
			" on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms. Visit https://platform.openai.com/account/rate-limits to learn more."
		if f.code == "insufficient_quota" {
			kind = f.code
			message = "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
		}
	case http.StatusServiceUnavailable:
		kind, message = "server_error", "The server is currently overloaded with other requests. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if the error persists."
	default:
		if f.code == "context_length_exceeded" {
			message = "This model's maximum context length is 128000 tokens. Please reduce the length of the messages."
		}
		if f.status >= 500 {
			kind, message = "server_error", "The server had an error while processing your request. Sorry about that!"
		}
	}
	if f.kind == "" {
		f.kind = kind
	}
	if f.code == "" && f.message == "" {
		f.code = code
	}
	if f.message == "" {
		f.message = message
	}
	return f
}

// maskKey shows as much of a key as the real vendor does.
func maskKey(key string) string {
	if len(key) <= 12 {
		return strings.Repeat("*", len(key))
	}
	return key[:8] + strings.Repeat("*", len(key)-12) + key[len(key)-4:]
}

// appendString appends a JSON string; bytes that are not UTF-8 become the replacement character.
func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

func appendStringOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendString(dst, s)
}
