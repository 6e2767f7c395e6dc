package responses

import (
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// streamError is an error in an answer that began with 200, from the vendor's words.
func streamError(kind, code, param, message string) *llm.Error {
	if kind == "error" { // the type of the event, not of the error
		kind = ""
	}
	class := classOf(code)
	if class == llm.Unclassified {
		class = classOf(kind)
	}
	if class == llm.Unclassified {
		class = llm.ServerError
	}
	return &llm.Error{Class: class, Type: kind, Code: code, Param: param, Message: message, Origin: llm.Responses}
}

// classOf is the class that a code or a type stands for: those of OpenAI's ResponseErrorCode and error envelope, and
// what Codex (codex-rs, codex-api) tells apart in response.failed.
func classOf(word string) llm.Class {
	switch word {
	case "rate_limit_exceeded", "rate_limit_error", "rate_limit_reached":
		return llm.RateLimited
	case "insufficient_quota", "usage_not_included", "billing_hard_limit_reached":
		return llm.OutOfQuota
	case "context_length_exceeded", "request_too_large":
		return llm.TooLarge
	case "server_is_overloaded", "slow_down", "overloaded", "overloaded_error":
		return llm.Overloaded
	case "invalid_api_key", "authentication_error":
		return llm.Unauthorized
	case "permission_error":
		return llm.Forbidden
	case "model_not_found", "not_found_error":
		return llm.NotFound
	case "timeout", "vector_store_timeout":
		return llm.TimedOut
	case "invalid_request_error", "invalid_prompt", "bio_policy", "cyber_policy", "data_residency_mismatch", "invalid_image",
		"invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small",
		"image_parse_error", "image_content_policy_violation", "invalid_image_mode", "image_file_too_large",
		"unsupported_image_media_type", "empty_image_file", "failed_to_download_image", "image_file_not_found",
		"content_policy_violation":
		return llm.InvalidRequest
	}
	return llm.Unclassified
}

// DecodeError implements dialect.Dialect. The envelope is that of all of OpenAI's endpoints.
func (Dialect) DecodeError(status int, body []byte) *llm.Error {
	e := openai.Dialect{}.DecodeError(status, body)
	e.Origin = llm.Responses
	return e
}

// EncodeError implements dialect.Dialect.
func (Dialect) EncodeError(e *llm.Error) []byte { return openai.Dialect{}.EncodeError(e) }

// AppendErrorEvent implements dialect.Dialect. It appends what OpenAI ends a stream with: an error event, which SDKs
// raise, and response.failed, which Codex reads the code of.
func (d Dialect) AppendErrorEvent(dst []byte, e *llm.Error) []byte {
	var body struct {
		Error jsontext.Value `json:"error"`
	}
	_ = json.Unmarshal(d.EncodeError(e), &body, upstreams) // which is our own
	var words struct {
		Code    string `json:"code"`
		Type    string `json:"type"`
		Message string `json:"message"`
		Param   string `json:"param"`
	}
	_ = json.Unmarshal(body.Error, &words, upstreams)
	if native := e.Origin == "" || e.Origin == llm.OpenAI || e.Origin == llm.Responses; words.Code == "" || !native {
		words.Code = codeOf(e.Kind()) // another vendor's own word would be tried again, whatever it says
	}
	dst = appendString(append(dst, "event: error\ndata: {\"type\":\"error\",\"sequence_number\":0,\"code\":"...), words.Code)
	dst = appendString(append(dst, `,"message":`...), words.Message)
	dst = appendOr(append(dst, `,"param":`...), words.Param)
	dst = append(append(append(dst, `,"error":`...), body.Error...), "}\n\n"...)

	failed := encoder{pages: pages{settings: appendSettings(nil, nil)}, id: "resp_failed"}
	dst = append(dst, "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":1,\"response\":"...)
	return append(failed.appendObject(dst, ending{status: "failed", code: words.Code, failure: words.Message}), "}\n\n"...)
}

// codeOf is the code of a failure that has none: those of ResponseErrorCode as far as they go, and those that Codex tells
// apart.
func codeOf(c llm.Class) string {
	switch c {
	case llm.RateLimited:
		return "rate_limit_exceeded"
	case llm.OutOfQuota:
		return "insufficient_quota"
	case llm.Overloaded:
		return "server_is_overloaded"
	case llm.InvalidRequest:
		return "invalid_prompt"
	case llm.TooLarge:
		return "context_length_exceeded"
	case llm.Unclassified, llm.Unauthorized, llm.Forbidden, llm.NotFound, llm.TimedOut, llm.ServerError:
	}
	return "server_error"
}

// KeepAlive implements dialect.Dialect: a comment, which every reader of event streams skips.
func (Dialect) KeepAlive() []byte { return []byte(": keep-alive\n\n") }
