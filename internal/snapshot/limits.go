package snapshot

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
	"aihigress/internal/quota"
)

// A Budget is what may be spent in a day or a month of UTC by a key, a user with all their keys, or whatever a limit is of.
type Budget struct {
	Owner  uuid.UUID // the key or the user; of a limit as at quota.Owner
	Limit  id.Limit  // zero of a key's own budget and a user's
	Window string    // as in credit.Window
	Amount money.Amount
	Whose  string // for the refusal: "this key"
}

// bounds are the limits of one subject. Nil are none.
type bounds struct {
	shared limit.Claim // of all together
	each   limit.Claim // of each user, whom its subject lacks
	spends []spend
}

// A spend is a limit of spend.
type spend struct {
	Budget
	each bool
}

// claims adds what a call of a user wants of the subject.
func (b *bounds) claims(into []limit.Claim, user id.User) []limit.Claim {
	if b == nil {
		return into
	}
	if len(b.shared.Limits) > 0 {
		into = append(into, b.shared)
	}
	if len(b.each.Limits) > 0 {
		each := b.each
		each.Subject.ID = user.UUID
		into = append(into, each)
	}
	return into
}

// budgets adds what a call of a user may be charged to.
func (b *bounds) budgets(into []Budget, user id.User) []Budget {
	if b == nil {
		return into
	}
	for _, s := range b.spends {
		s.Owner = quota.Owner(s.Limit, s.each, user)
		into = append(into, s.Budget)
	}
	return into
}

// limited are the subjects' limits, but for those of keys and providers, which keep their own.
type limited struct {
	users  map[id.User]*bounds
	roles  map[string]*bounds
	models map[string]*bounds
	tags   map[[2]string]*bounds // by name and value
}

// of calls do with each subject of a call of a key, of a name that is no alias, with tags.
func (l *limited) of(k *Key, model string, tags map[string]string, do func(*bounds)) {
	do(k.bounds)
	if l.users != nil {
		do(l.users[k.UserID])
	}
	if l.roles != nil {
		do(l.roles[string(k.Role)])
	}
	if l.models != nil {
		do(l.models[model])
	}
	if l.tags != nil {
		for name, value := range tags {
			do(l.tags[[2]string{name, value}])
		}
	}
}

// Claims adds what a call of a key wants of all limits that apply to it before a provider is chosen. model is the name that
// the requested one stands for: see Target. Where nothing is limited it adds nothing, and allocates nothing.
func (s *Snapshot) Claims(into []limit.Claim, k *Key, model string, tags map[string]string) []limit.Claim {
	s.limited.of(k, model, tags, func(b *bounds) { into = b.claims(into, k.UserID) })
	return into
}

// Budgets adds all budgets that such a call may be charged to, the key's own first.
func (s *Snapshot) Budgets(into []Budget, k *Key, model string, tags map[string]string) []Budget {
	into = append(into, k.Budgets...)
	s.limited.of(k, model, tags, func(b *bounds) { into = b.budgets(into, k.UserID) })
	return into
}

// Claims adds what an attempt at the provider wants of its limits.
func (p *Provider) Claims(into []limit.Claim, user id.User) []limit.Claim {
	return p.bounds.claims(into, user)
}

// Budgets adds the budgets that a call which the provider answers may be charged to.
func (p *Provider) Budgets(into []Budget, user id.User) []Budget {
	return p.bounds.budgets(into, user)
}

// bind gives the subjects their limits.
func (s *Snapshot) bind(limits []quota.Limit) {
	for _, k := range s.keysByID {
		k.bounds = k.own()
	}
	for _, l := range limits {
		switch l.Subject {
		case quota.Key:
			if k := s.keysByID[id.Key{UUID: l.SubjectID}]; k != nil {
				k.bounds = k.bounds.with(l, "this key")
			}
		case quota.Provider:
			if p := s.providers[id.Provider{UUID: l.SubjectID}]; p != nil {
				p.bounds = p.bounds.with(l, "the provider "+p.Slug)
			}
		case quota.User:
			put(&s.limited.users, id.User{UUID: l.SubjectID}, l, "the user of this key")
		case quota.Role:
			put(&s.limited.roles, l.SubjectName, l, "the role "+l.SubjectName)
		case quota.Model:
			put(&s.limited.models, l.SubjectName, l, "the model `"+l.SubjectName+"`")
		case quota.Tag:
			name, value, _ := strings.Cut(l.SubjectName, "=")
			put(&s.limited.tags, [2]string{name, value}, l, "the tag "+l.SubjectName)
		}
	}
}

func put[K comparable](all *map[K]*bounds, subject K, l quota.Limit, who string) {
	if *all == nil {
		*all = map[K]*bounds{}
	}
	(*all)[subject] = (*all)[subject].with(l, who)
}

// own is the bounds of a key with the limits that the key itself names.
func (k *Key) own() *bounds {
	var b *bounds
	for _, l := range [...]limit.Limit{
		{What: limit.Requests, Amount: k.Limits.RequestsPerMinute, Window: time.Minute},
		{What: limit.Tokens, Amount: k.Limits.TokensPerMinute, Window: time.Minute},
		{What: limit.Calls, Amount: k.Limits.Concurrency},
	} {
		if l.Amount > 0 {
			if b == nil {
				b = &bounds{shared: limit.Claim{Subject: limit.Subject{Of: string(quota.Key), ID: k.ID.UUID}, Says: "This key is"}}
			}
			b.shared.Limits = append(b.shared.Limits, l)
		}
	}
	return b
}

// with adds a limit of somebody to theirs.
func (b *bounds) with(l quota.Limit, who string) *bounds {
	if b == nil {
		b = &bounds{}
	}
	if l.EachUser {
		who = "each user of " + who
	}
	rate, ok := l.Rate()
	if !ok {
		b.spends = append(b.spends, spend{Budget{Limit: l.ID, Window: string(l.Window), Amount: l.Budget().Amount, Whose: who}, l.EachUser})
		return b
	}
	claim := &b.shared
	if l.EachUser {
		claim = &b.each
	}
	claim.Subject, claim.Says = l.Of(), strings.ToUpper(who[:1])+who[1:]+" is"
	for i := range claim.Limits {
		if have := &claim.Limits[i]; have.What == rate.What && have.Window == rate.Window { // a key names one itself: the lower counts
			have.Amount, have.Away = min(have.Amount, rate.Amount), max(have.Away, rate.Away)
			return b
		}
	}
	claim.Limits = append(claim.Limits, rate)
	return b
}
