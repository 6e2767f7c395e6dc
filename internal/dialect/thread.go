package dialect

import "github.com/cespare/xxhash/v2"

// maxLead is how much of the first message of a user is looked at to tell conversations apart, in bytes. Documents are
// longer, but rarely the same for so long.
const maxLead = 8 << 10

// A Thread is what tells which conversation a request goes on with, so that it can go where the vendor has the beginning
// in its cache, or what it refers to.
type Thread struct {
	// Name is what the caller calls it: a key for the vendor's cache, else the user.
	Name string
	// Lead is a hash of the texts up to the first message of a user, which all turns of a conversation begin with; 0 is none.
	Lead uint64
	// Continues says that something follows that message: the vendor may have seen the beginning before.
	Continues bool
	// State is the name of something that is kept by the account which made it, and unknown elsewhere: a file, a cache.
	State string
	// Sealed says that the request brings, or asks for, reasoning that only the account can read which made it.
	Sealed bool
}

// A ThreadReader makes a Thread of what a scan comes by. The zero value is ready.
type ThreadReader struct {
	Thread

	hash   xxhash.Digest
	hashed int
	inside bool // a message
	led    bool // the first message of a user is over
}

// Open begins a message.
func (t *ThreadReader) Open() {
	t.inside = true
	t.Continues = t.Continues || t.led
}

// Text is text of a message. What stands outside of one does not count.
func (t *ThreadReader) Text(part []byte) {
	if t.led || !t.inside || t.hashed == maxLead {
		return
	}
	if t.hashed == 0 {
		t.hash.Reset()
	}
	part = part[:min(len(part), maxLead-t.hashed)]
	t.hashed += len(part)
	_, _ = t.hash.Write(part) // never fails
}

// Close ends a message, of a user or of somebody else.
func (t *ThreadReader) Close(user bool) {
	t.inside = false
	if user && !t.led && t.hashed > 0 {
		t.led = true
		t.Lead = t.hash.Sum64()
	}
}
