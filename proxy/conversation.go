package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"aihigress/internal/dialect"
	"aihigress/internal/health"
	"aihigress/internal/llm"
	"aihigress/internal/pin"
	"aihigress/internal/routing"
)

// maxSession is how much of x-aihigress-session counts, in bytes.
const maxSession = 256

// A conversation is what the turns of a call have in common, and where the last one was answered.
type conversation struct {
	thread dialect.Thread
	hash   uint64 // 0 is none
	pins   string // under which name Pins know what only one account has; "" is none
	alone  bool   // the call refers to something of that kind
}

// converse finds out which conversation the call belongs to, and asks the plan to go where it was. The vendor has its
// beginning in a cache there: that is worth preferring, not insisting on. What only one account can read, a file or sealed
// reasoning, goes to that account first however the others do, but not while it is out of use.
func (c *call) converse(in *routing.Input) {
	v := &c.conversation
	v.thread = c.scanned.Thread()
	session := c.r.Header.Get("X-Aihigress-Session")
	named := session != "" || v.thread.Name != ""
	switch {
	case session != "":
		v.hash = c.conversationHash("session", session[:min(len(session), maxSession)])
	case v.thread.Name != "":
		v.hash = c.conversationHash("name", v.thread.Name)
	case v.thread.Lead != 0:
		v.hash = c.conversationHash("lead", strconv.FormatUint(v.thread.Lead, 36))
	}
	switch {
	case v.thread.State != "":
		v.pins = "state:" + v.thread.State
	case v.thread.Sealed && v.hash != 0:
		v.pins = "conversation:" + strconv.FormatUint(v.hash, 36)
	}
	v.alone = v.thread.State != ""
	if v.pins != "" && (v.alone || v.thread.Continues || named) {
		if in.Held, in.Bound = c.bound(); in.Bound {
			v.alone = true
			return
		}
	}
	if v.hash != 0 && (named || v.thread.Continues) { // the first turn goes where all others go
		in.Held, _ = c.p.o.Affinity.Find(v.hash, in.Now)
	}
}

// bound is the account that alone knows what the call refers to: by this node's memory, else by what Redis was told.
func (c *call) bound() (health.Target, bool) {
	v := &c.conversation
	if at, ok := c.p.o.Affinity.Find(c.conversationHash("pin", v.pins), c.p.o.Health.Now()); ok {
		return at, true
	}
	if c.p.o.Pins == nil {
		return health.Target{}, false
	}
	at, ok := c.p.o.Pins.Lookup(c.ctx, v.pins)
	if !ok || at.Account != c.key.AccountID {
		return health.Target{}, false
	}
	return health.Target{Provider: at.Provider, Key: at.Key}, true
}

// conversationHash is unlike that of all other accounts and models.
func (c *call) conversationHash(kind, name string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(c.key.AccountID.UUID[:]) // never fails
	for _, part := range [...]string{kind, c.facts.Model, name} {
		_, _ = d.WriteString(part)
		_, _ = d.WriteString("\x00")
	}
	return d.Sum64()
}

// continues notes where the call was answered, for the next turn.
func (c *call) continues() {
	v, t, now := &c.conversation, c.attempts.target(), c.p.o.Health.Now()
	at := t.Health()
	if v.hash != 0 {
		c.p.o.Affinity.Note(v.hash, at, now)
	}
	if v.pins == "" {
		return
	}
	hash := c.conversationHash("pin", v.pins)
	before, known := c.p.o.Affinity.Find(hash, now)
	c.p.o.Affinity.Note(hash, at, now)
	if c.p.o.Pins != nil && (!known || before != at) {
		c.p.o.Pins.Remember(c.ctx, v.pins, pin.Pin{Account: c.key.AccountID, Provider: at.Provider, Key: at.Key})
	}
}

// lacksState reports whether a vendor's refusal says only that this account has not what the request refers to. Another may.
func (c *call) lacksState(e *llm.Error) bool {
	state := c.conversation.thread.State
	if state == "" || e.Status != http.StatusBadRequest && e.Status != http.StatusNotFound && e.Status != http.StatusForbidden {
		return false
	}
	_, name, _ := strings.Cut(state, "/files/")
	return strings.Contains(e.Message, state) || name != "" && strings.Contains(e.Message, name)
}
