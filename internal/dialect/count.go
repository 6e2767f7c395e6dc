package dialect

import "aihigress/internal/llm"

// A Counter is a Dialect whose vendor counts the tokens of a request without answering it.
type Counter interface {
	// DecodeCount reads a caller's request. The error is an *llm.RequestError.
	DecodeCount(body []byte, at At) (*llm.Request, error)
	// EncodeCount writes a request for an upstream. What the count leaves out does not matter to it and is not told.
	EncodeCount(r *llm.Request, t Target) ([]byte, error)
	// DecodeCountResponse reads an upstream's count. The error wraps ErrMalformed, or is an *llm.Error.
	DecodeCountResponse(body []byte) (tokens int64, err error)
	// EncodeCountResponse writes a count for a caller.
	EncodeCountResponse(tokens int64) []byte
}
