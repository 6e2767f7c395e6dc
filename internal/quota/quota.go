// Package quota keeps what administrators let a subject do at most: requests, tokens and calls at once of a key, a user, a
// role, a model, a provider or a tag, and what may be spent on it. How such a limit is held is told at packages limit and,
// of spend, credit; what a subject takes part in, at Subject.
package quota

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
)

// A Subject is what sort of thing is limited.
type Subject string

// The subjects. A call that meets one of its limits is refused; at one of a provider's, only where no other provider is left.
const (
	Key      Subject = "key"      // its calls
	User     Subject = "user"     // the calls of all their keys
	Role     Subject = "role"     // the calls of its users
	Model    Subject = "model"    // calls of this name, or of an alias of it
	Provider Subject = "provider" // attempts there
	Tag      Subject = "tag"      // calls that carry name=value in x-aihigress-tags
)

// named reports whether the subject has a name and no id.
func (s Subject) named() bool { return s == Role || s == Model || s == Tag }

// A Dimension is what is counted.
type Dimension string

// The dimensions.
const (
	Requests     Dimension = "requests"
	InputTokens  Dimension = "input_tokens"
	OutputTokens Dimension = "output_tokens"
	Tokens       Dimension = "tokens"      // in and out
	Concurrency  Dimension = "concurrency" // calls at the same time
	Spend        Dimension = "spend"       // what is charged
)

// what is the dimension as package limit has it, which knows no spend.
var what = map[Dimension]limit.What{
	Requests: limit.Requests, InputTokens: limit.InputTokens, OutputTokens: limit.OutputTokens, Tokens: limit.Tokens, Concurrency: limit.Calls,
}

// A Window is the time that an amount is for.
type Window string

// The windows. Minutes and days of rates flow: see package limit. Days and months of spend are of the calendar, in UTC.
const (
	Minute Window = "minute" // of rates
	Day    Window = "day"    // of rates and spend
	Month  Window = "month"  // of spend
	Call   Window = "call"   // of concurrency, which has no other
)

func (w Window) duration() time.Duration {
	switch w {
	case Minute:
		return time.Minute
	case Day:
		return 24 * time.Hour
	case Month, Call:
	}
	return 0
}

const (
	// MaxLimits is how many there are at most: every node keeps them all in memory.
	MaxLimits = 10_000
	// MaxAmount is the most of requests, tokens or calls.
	MaxAmount = 1_000_000_000_000
	maxName   = 256 // bytes of a model's name
	maxTag    = 64  // bytes of a tag's name, and of its value
)

// A Limit is one of a subject's. What it is of and what it counts never change.
type Limit struct {
	ID          id.Limit
	Subject     Subject
	SubjectID   uuid.UUID // of a key, user or provider
	SubjectName string    // of a role, model or tag
	Label       string    // what people call the subject; empty where it was not looked up
	EachUser    bool      // each user has the amount, and not all together
	Dimension   Dimension
	Window      Window
	Amount      int64        // of requests, tokens or calls
	Spend       money.Amount // of Spend
	Closed      bool         // lets nothing new through while Redis is away; else each node lets its share through
	CreatedAt   time.Time
}

// FromRow maps a row.
func FromRow(row db.Limit) Limit {
	l := Limit{
		ID: row.ID, Subject: Subject(row.Subject), SubjectName: row.SubjectName, EachUser: row.EachUser, Dimension: Dimension(row.Dimension),
		Window: Window(row.LimitWindow), Closed: row.RedisAway == closed, CreatedAt: row.CreatedAt,
	}
	if l.Dimension == Spend {
		l.Spend = money.Amount(row.Amount)
	} else {
		l.Amount = row.Amount
	}
	if row.SubjectID != nil {
		l.SubjectID = *row.SubjectID
	}
	return l
}

const open, closed = "open", "closed"

// amount is the amount as a row has it: one of the two is zero.
func (l Limit) amount() int64 { return l.Amount + int64(l.Spend) }

func (l Limit) redisAway() string {
	if l.Closed {
		return closed
	}
	return open
}

// Of is the subject as package limit knows it; of a limit that each user has, For adds the user.
func (l Limit) Of() limit.Subject {
	of := limit.Subject{Of: string(l.Subject), ID: l.SubjectID, Name: l.SubjectName}
	if l.EachUser && l.SubjectName == "" {
		of.ID, of.Name = uuid.Nil, l.SubjectID.String()
	}
	return of
}

// Rate is the limit as package limit holds it; false of spend.
func (l Limit) Rate() (limit.Limit, bool) {
	kind, ok := what[l.Dimension]
	rate := limit.Limit{What: kind, Amount: l.Amount, Window: l.Window.duration()}
	if l.Closed {
		rate.Away = limit.Closed
	}
	return rate, ok
}

// Budget is a limit of spend as package credit holds it.
func (l Limit) Budget() credit.Budget {
	return credit.Budget{Amount: l.Spend, Window: credit.Window(l.Window)}
}

// Owner is whose budget a limit of spend is: its own, or where each user has it that of a user.
func Owner(of id.Limit, eachUser bool, user id.User) uuid.UUID {
	if !eachUser {
		return of.UUID
	}
	var both [32]byte
	copy(both[:16], of.UUID[:])
	copy(both[16:], user.UUID[:])
	return uuid.NewSHA1(uuid.NameSpaceOID, both[:])
}

// A LimitInput is a new limit.
type LimitInput struct {
	Subject   Subject
	Of        string // the id of a key, user or provider, or a user's e-mail, or a provider's slug; the name of a role or model; a tag as name=value
	EachUser  bool
	Dimension Dimension
	Window    Window
	Amount    int64        // of all but Spend
	Spend     money.Amount // of Spend
	Closed    bool
}

// A LimitChange changes a limit; nil fields stay as they are.
type LimitChange struct {
	Amount *int64
	Spend  *money.Amount
	Closed *bool
}

// Limits keeps all limits.
type Limits struct {
	pool    *pgxpool.Pool
	q       *db.Queries
	audit   *audit.Log
	limiter *limit.Limiter
}

// New makes Limits over a pool. The limiter tells what was used.
func New(pool *pgxpool.Pool, log *audit.Log, limiter *limit.Limiter) *Limits {
	return &Limits{pool: pool, q: db.New(), audit: log, limiter: limiter}
}

func (in LimitInput) check() error {
	switch in.Subject {
	case Role:
		if !authz.Role(in.Of).Valid() {
			return fault.Field("of", "there is no role of this name")
		}
	case Model:
		if in.Of == "" || len(in.Of) > maxName || !utf8.ValidString(in.Of) || strings.ContainsFunc(in.Of, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fault.Field("of", "a model is one word of 1 to %d bytes", maxName)
		}
	case Tag:
		if !isTag(in.Of) {
			return fault.Field("of", "a tag is name=value, each of at most %d bytes and without a comma", maxTag)
		}
	case Key, User:
		if in.EachUser {
			return fault.Field("eachUser", "a limit of a key or a user is of one user anyway")
		}
	case Provider:
	default:
		return fault.Field("subject", "a limit is of a key, a user, a role, a model, a provider or a tag")
	}
	switch in.Dimension {
	case Requests, InputTokens, OutputTokens, Tokens:
		if in.Window != Minute && in.Window != Day {
			return fault.Field("window", "requests and tokens are limited in a minute or a day")
		}
	case Concurrency:
		if in.Window != Call {
			return fault.Field("window", "calls at the same time have no window")
		}
	case Spend:
		return in.checkSpend()
	default:
		return fault.Field("dimension", "this cannot be limited")
	}
	if in.Spend != 0 {
		return fault.Field("spend", "this is counted, and not spent")
	}
	if in.Amount <= 0 || in.Amount > MaxAmount {
		return fault.Field("amount", "a limit is above 0 and at most %d", int64(MaxAmount))
	}
	return nil
}

func (in LimitInput) checkSpend() error {
	switch {
	case in.Window != Day && in.Window != Month:
		return fault.Field("window", "spend is limited in a day or a month")
	case in.Amount != 0:
		return fault.Field("amount", "what is spent is told in credits")
	case in.Spend <= 0 || in.Spend > credit.MaxGrant:
		return fault.Field("spend", "a limit is above 0 and at most %s credits", credit.MaxGrant)
	case in.Closed:
		return fault.Field("redisAway", "what is spent does not depend on Redis")
	}
	return nil
}

// isTag reports whether a text can be what a call carries: see the tags of package proxy.
func isTag(text string) bool {
	name, value, ok := strings.Cut(text, "=")
	return ok && name != "" && len(name) <= maxTag && len(value) <= maxTag && !strings.Contains(text, ",") && utf8.ValidString(text) &&
		strings.TrimSpace(name) == name && strings.TrimSpace(value) == value && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}
