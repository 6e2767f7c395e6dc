package llm

// EventKind says what an event does.
type EventKind uint8

const (
	// Start comes first and once: ID, Model, Created, ServiceTier, Fingerprint; Usage where the vendor tells the input's
	// already.
	Start EventKind = iota + 1
	// Open begins the block Index of Candidate. Block has its kind and what is known of it: the call's ID, Name and Custom, or
	// a whole Media or Opaque block; never text. The State of a ToolCall stands here, since its id may have to carry it.
	Open
	// Delta adds Text to the block: to its text, or to the call's Input. It is a piece, never the whole so far.
	Delta
	// Sign gives a Thinking block its State.
	Sign
	// Cite adds a Citation to the block.
	Cite
	// Close ends the block.
	Close
	// Probs adds Logprobs to the candidate.
	Probs
	// Finished ends the candidate: Finish, Reason, StopSequence. All its blocks were closed.
	Finished
	// Used tells Usage: the newest counts, which replace those before.
	Used
	// Failed ends the stream with Err. Nothing follows.
	Failed
	// Alive says that the vendor is still at work: a ping.
	Alive
)

// An Event is one step of a streamed answer.
//
// A well-formed stream is Start, then blocks, then Finished for every candidate, with Used anywhere behind Start; it ends
// when its decoder says so. Indexes count the blocks of the whole answer from zero, in the order of their Open. Blocks of
// one candidate follow one another, but that several ToolCall blocks may be open at once and their deltas interleave;
// a text block is closed before a tool call opens.
//
// An event and what it leads to is valid until its consumer returns: a consumer that keeps some of it makes a copy.
// Strings may be kept.
type Event struct {
	Kind      EventKind
	Index     int // of the block
	Candidate int

	ID, Model, ServiceTier, Fingerprint string
	Created                             int64

	Block        Block
	Text         string
	State        State
	Citation     Citation
	Logprobs     []Logprob
	Finish       Finish
	Reason       string
	StopSequence string
	Usage        Usage
	Err          *Error
}
