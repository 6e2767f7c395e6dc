package health

import "strings"

// A Class is how an attempt ended. It decides whose fault a failure is: see Scope.
type Class uint8

// The classes.
const (
	OK           Class = iota
	BadRequest         // the request is wrong or refused for its content: it would fail everywhere
	Cancelled          // the caller went away, or its own time was over
	Unauthorized       // the key is not known. From here on it is the fault of something shared
	Forbidden          // the key may not do this
	OutOfQuota         // the account behind the key is used up
	RateLimited        // the key is used too often
	NoModel            // the provider does not have the model
	Overloaded         // the provider has too much to do with the model
	ServerError        // the provider failed
	Unreached          // no connection, or none that held: DNS, TCP, TLS
	TimedOut           // nothing came for too long
	Malformed          // what came cannot be understood, or broke off
	classes
)

// A Scope is what a failure says something about, and so what it may put out of use.
type Scope uint8

// The scopes. Failures of the first two say nothing about anything shared, and are not counted: no caller can harm the
// health of what others use by bad requests.
const (
	OfRequest  Scope = iota
	OfCaller         // who went away
	OfKey            // a provider's key, for every model
	OfModel          // a provider's model, with every key
	OfProvider       // a provider
	OfTarget         // one model with one key at one provider. Failures of the provider count here too, where they show first
	scopes
)

var scopeOf = [classes]Scope{
	OK: OfRequest, BadRequest: OfRequest, Cancelled: OfCaller,
	Unauthorized: OfKey, Forbidden: OfKey, OutOfQuota: OfKey, RateLimited: OfKey,
	NoModel: OfModel, Overloaded: OfModel,
	ServerError: OfProvider, Unreached: OfProvider, TimedOut: OfProvider, Malformed: OfProvider,
}

// Scope is what a failure of the class says something about.
func (c Class) Scope() Scope {
	if c >= classes {
		return OfRequest
	}
	return scopeOf[c]
}

// shared reports whether a failure of the class counts against anything.
func (c Class) shared() bool { return c.Scope() >= OfKey }

// final reports whether one failure is enough: the next call would not go better. Forbidden is not, since some vendors
// answer so to content that they refuse.
func (c Class) final() bool {
	return c == Unauthorized || c == OutOfQuota || c == RateLimited || c == NoModel
}

var classText = [classes]string{
	OK: "ok", BadRequest: "bad request", Cancelled: "cancelled", Unauthorized: "key refused", Forbidden: "forbidden",
	OutOfQuota: "quota used up", RateLimited: "rate limited", NoModel: "model not found", Overloaded: "overloaded",
	ServerError: "server errors", Unreached: "not reached", TimedOut: "timeouts", Malformed: "broken answers",
}

var classCode = func() (codes [classes]string) {
	for c, text := range classText {
		codes[c] = strings.ReplaceAll(text, " ", "_")
	}
	return codes
}()

// Code is the class for programs.
func (c Class) Code() string {
	if c >= classes {
		return "unknown"
	}
	return classCode[c]
}

// String is the class in a few words, for people.
func (c Class) String() string {
	if c >= classes {
		return "unknown"
	}
	return classText[c]
}

var scopeText = [scopes]string{
	OfRequest: "request", OfCaller: "caller", OfKey: "key", OfModel: "model", OfProvider: "provider", OfTarget: "model with key",
}

// String is the scope in a few words, for people.
func (s Scope) String() string {
	if s >= scopes {
		return "unknown"
	}
	return scopeText[s]
}
