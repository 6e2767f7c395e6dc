package simulator

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// anthropic is the dialect of api.anthropic.com, and that of Claude on Vertex AI, which differs in paths, in the
// credential and in two fields of the body.
type anthropic struct{ vertex bool }

func (s *Server) routeAnthropic() {
	v := anthropic{}
	s.mux.HandleFunc("POST /v1/messages", s.endpoint(v, answerMessages))
	s.mux.HandleFunc("POST /v1/messages/count_tokens", s.endpoint(v, answerMessagesCount))
}

// isAnthropic tells a request for a path that OpenAI has as well.
func isAnthropic(r *http.Request) bool {
	return r.Header.Get("Anthropic-Version") != "" || r.Header.Get("X-Api-Key") != ""
}

func (v anthropic) key(r *http.Request) string {
	if key := r.Header.Get("X-Api-Key"); key != "" && !v.vertex {
		return key
	}
	return openAI{}.key(r)
}

func (v anthropic) model(r *http.Request, body []byte) string {
	if v.vertex {
		name, _ := splitCall(r.PathValue("call"))
		return name
	}
	return openAI{}.model(r, body)
}

func (anthropic) header(h http.Header, x *exchange) {
	h.Set("Request-Id", "req_"+identifier(mix(x.s.seed, 5, x.number)))
	h.Set("Anthropic-Organization-Id", "00000000-0000-4000-8000-000000000001")
	for name, value := range anthropicLimits {
		h[name] = value
	}
	reset := []string{x.s.now().UTC().Add(time.Second).Format(time.RFC3339)}
	for _, name := range anthropicResets {
		h[name] = reset
	}
}

// anthropicLimits are the headers of limits that are never reached, anthropicResets those that say when they end.
var (
	anthropicLimits = map[string][]string{
		"Anthropic-Ratelimit-Requests-Limit": {"4000"}, "Anthropic-Ratelimit-Requests-Remaining": {"3999"},
		"Anthropic-Ratelimit-Tokens-Limit": {"480000"}, "Anthropic-Ratelimit-Tokens-Remaining": {"479000"},
		"Anthropic-Ratelimit-Input-Tokens-Limit": {"400000"}, "Anthropic-Ratelimit-Input-Tokens-Remaining": {"399000"},
		"Anthropic-Ratelimit-Output-Tokens-Limit": {"80000"}, "Anthropic-Ratelimit-Output-Tokens-Remaining": {"80000"},
	}
	anthropicResets = []string{"Anthropic-Ratelimit-Requests-Reset", "Anthropic-Ratelimit-Tokens-Reset",
		"Anthropic-Ratelimit-Input-Tokens-Reset", "Anthropic-Ratelimit-Output-Tokens-Reset"}
)

func (v anthropic) fail(w http.ResponseWriter, f failure) {
	h := w.Header()
	h.Set("X-Should-Retry", strconv.FormatBool(f.status == http.StatusTooManyRequests || f.status >= 500))
	refuse(w, f, v.errorBody(nil, f, h.Get("Request-Id")))
}

// errorBody appends an error, which is also the data of a stream's error event.
func (v anthropic) errorBody(dst []byte, f failure, requestID string) []byte {
	kind, message := anthropicError(f)
	dst = appendString(append(dst, `{"type":"error","error":{"type":`...), kind)
	dst = appendString(append(dst, `,"message":`...), message)
	dst = append(dst, '}')
	if requestID != "" {
		dst = appendString(append(dst, `,"request_id":`...), requestID)
	}
	return append(dst, '}')
}

// anthropicError fills in what the real vendor says with a status.
func anthropicError(f failure) (kind, message string) {
	switch f.status {
	case http.StatusUnauthorized:
		kind, message = "authentication_error", "invalid x-api-key"
		if f.key == "" {
			message = "x-api-key header is required"
		}
	case http.StatusPaymentRequired:
		kind, message = "billing_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
	case http.StatusForbidden:
		kind, message = "permission_error", "Your API key does not have permission to use the specified resource."
	case http.StatusNotFound:
		kind, message = "not_found_error", "model: "+f.model
	case http.StatusRequestEntityTooLarge:
		kind, message = "request_too_large", "Request exceeds the maximum size"
	case http.StatusTooManyRequests:
		kind, message = "rate_limit_error", "This request would exceed your organization's rate limit of 4,000 requests per minute (org: 00000000-0000-4000-8000-000000000001). Please try again later."
	case http.StatusGatewayTimeout:
		kind, message = "timeout_error", "Request timed out"
	case 529:
		kind, message = "overloaded_error", "Overloaded"
	default:
		kind, message = "invalid_request_error", "Invalid request."
		if f.status >= 500 {
			kind, message = "api_error", "Internal server error"
		}
		if f.code == "context_length_exceeded" {
			return kind, "prompt is too long: 250000 tokens > 200000 maximum"
		}
	}
	if f.message != "" {
		message = f.message
	}
	if f.code != "" && strings.HasSuffix(f.code, "_error") {
		kind = f.code
	}
	return kind, message
}

// anthropicModelNames are of the vendor's models list beside our own, so that clients that look for them find some.
var anthropicModelNames = append([]string{"claude-sim-1"}, catalogue...)

// answerMessagesModels answers GET /v1/models for Anthropic's clients.
func answerMessagesModels(x *exchange) outcome {
	if name := x.r.PathValue("model"); name != "" {
		x.buf = appendMessagesModel(x.buf[:0], name)
		return x.reply(x.buf)
	}
	b := append(x.buf[:0], `{"data":[`...)
	for i, name := range anthropicModelNames {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMessagesModel(b, name)
	}
	b = appendString(append(b, `],"has_more":false,"first_id":`...), anthropicModelNames[0])
	b = appendString(append(b, `,"last_id":`...), anthropicModelNames[len(anthropicModelNames)-1])
	x.buf = append(b, '}')
	return x.reply(x.buf)
}

func appendMessagesModel(dst []byte, name string) []byte {
	dst = appendString(append(dst, `{"type":"model","id":`...), name)
	dst = appendString(append(dst, `,"display_name":`...), name)
	dst = append(dst, `,"created_at":"`...)
	dst = time.Unix(modelsCreated, 0).UTC().AppendFormat(dst, time.RFC3339)
	return append(dst, `","max_input_tokens":200000,"max_tokens":64000,"capabilities":null}`...)
}

// answerMessagesCount answers POST /v1/messages/count_tokens.
func answerMessagesCount(x *exchange) outcome {
	q, fail := readMessages(x, countFields)
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	a := q.ask(x.model)
	for _, t := range a.prompt {
		x.prompt += t.tokens
	}
	x.buf = strconv.AppendInt(append(x.buf[:0], `{"input_tokens":`...), int64(x.prompt), 10)
	x.buf = append(x.buf, '}')
	return x.reply(x.buf)
}

// answerMessages answers POST /v1/messages.
func answerMessages(x *exchange) outcome {
	if x.benched() {
		return x.playBench(x.s.bench.anthropic, gjson.GetBytes(x.body, "stream").Bool(), true)
	}
	q, fail := readMessages(x, messagesFields)
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	sc := x.s.write(q.ask(x.model), &x.knobs, x.number)
	defer sc.release()
	v := newMessagesVoice(x.s, sc)
	v.usage = x.knobs.usage != usageOff
	v.omitted = q.Thinking != nil && q.Thinking.Display == "omitted"
	v.requestID = x.w.Header().Get("Request-Id")
	stream := q.Stream
	if x.vendor.(anthropic).vertex {
		v.prefix = "vrtx_"
		_, method := splitCall(x.r.PathValue("call"))
		stream = stream || method == "streamRawPredict"
	}
	return x.play(sc, v, stream)
}
