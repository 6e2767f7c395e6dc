package llm

// Finish says why an answer ended.
type Finish uint8

const (
	FinishUnknown      Finish = iota
	FinishStop                // the model was done
	FinishStopSequence        // it came to one of the caller's stop sequences
	FinishLength              // the answer's limit was reached
	FinishContext             // the model's context was full
	FinishTools               // it waits for the results of tool calls
	FinishFilter              // the vendor's filter cut it off
	FinishRefusal             // the model refused
	FinishPause               // the vendor asks to go on in another call (Anthropic pause_turn)
	FinishMalformed           // the model made a tool call that cannot be used (Gemini MALFORMED_FUNCTION_CALL)
	FinishError               // the vendor failed to go on
)

// A Response is a whole answer.
type Response struct {
	ID          string
	Model       string // as the upstream names it
	Created     int64  // Unix seconds; 0 is unknown
	ServiceTier string // that the vendor used
	Fingerprint string // OpenAI system_fingerprint
	Candidates  []Candidate
	Usage       Usage
	HasUsage    bool
	// Filter is set where the vendor refused the prompt itself: its word for why. There may be no candidates then.
	Filter string
}

// A Candidate is one answer of those that were asked for.
type Candidate struct {
	Index        int
	Blocks       []Block
	Finish       Finish
	Reason       string // the vendor's own word for Finish
	StopSequence string // with FinishStopSequence, where known
	Logprobs     []Logprob
}

// A Logprob is how likely one token was, and which others were.
type Logprob struct {
	Token   string
	Bytes   []byte // of the token; nil is unsaid
	Logprob float64
	Top     []Logprob // without Top of their own
	Refusal bool      // of the refusal and not of the text
}
