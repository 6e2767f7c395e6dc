package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/notify"
)

// ProbePeriod is how often providers are probed. One that answered a call of anybody's within it needs no probe.
const ProbePeriod = 5 * time.Minute

// answers reports whether a provider answered a call on any node within the last period, and since it was found unhealthy;
// then that is its health.
func (p *Providers) answers(ctx context.Context, provider id.Provider) (bool, error) {
	now := time.Now()
	since := now.Add(-ProbePeriod).Truncate(time.Minute)
	known, err := p.q.GetProviderHealth(ctx, p.pool, provider)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("read health: %w", db.Classify(err))
	}
	if after := known.ChangedAt.Add(time.Minute).Truncate(time.Minute); State(known.State) == Unhealthy && after.After(since) {
		since = after // what is booked within the minute of the change may be from before
	}
	answered, err := p.q.ProviderAnswered(ctx, p.pool, db.ProviderAnsweredParams{Since: since, ProviderID: provider})
	if err != nil {
		return false, fmt.Errorf("read traffic: %w", db.Classify(err))
	}
	if answered {
		_, err = p.store(ctx, provider.String(), db.UpsertProviderHealthParams{
			ProviderID: provider, State: string(Healthy), Source: string(FromTraffic), CheckedAt: now,
		})
	}
	return answered, err
}

// Observe takes in what live traffic found out on some node: a circuit that opened or closed. It tells those whom that
// concerns, keeps the provider's health, and has a key checked that was refused. Every node may observe the same change.
//
// again is when it is to be observed again, if it is still so by then: a change soon after another is not told at once.
func (p *Providers) Observe(ctx context.Context, c health.Change) (again time.Time, err error) {
	if _, err := authz.Require(ctx, authz.ProviderProbe); err != nil {
		return again, err
	}
	observe := map[health.Scope]func(context.Context, db.Provider, health.Change) (notify.Message, error){
		health.OfProvider: p.observeProvider, health.OfModel: p.observeModel, health.OfKey: p.observeKey,
	}[c.Place.Scope]
	if observe == nil {
		return again, nil
	}
	row, err := p.q.GetProvider(ctx, p.pool, c.Place.Provider)
	if err != nil {
		if err = db.Classify(err); fault.KindOf(err) == fault.NotFound {
			return again, nil
		}
		return again, fmt.Errorf("get provider: %w", err)
	}
	m, err := observe(ctx, row, c)
	if err != nil || m.Kind == "" {
		return again, err
	}
	m.To, m.Subject, m.Pause, m.Repeat = concerned(row), row.ID.String(), pause, repeat
	var sent notify.Sent
	err = db.InTx(ctx, p.pool, func(tx pgx.Tx) (err error) {
		sent, err = p.notify.SendTx(ctx, tx, m)
		return err
	})
	if err != nil {
		return again, fmt.Errorf("tell of %s: %w", row.Slug, err)
	}
	p.notify.Announce(ctx, sent)
	return sent.Again, nil
}

func (p *Providers) observeProvider(ctx context.Context, row db.Provider, c health.Change) (notify.Message, error) {
	params := db.UpsertProviderHealthParams{ProviderID: row.ID, State: string(Healthy), Source: string(FromTraffic), CheckedAt: time.Now()}
	m := notify.Message{
		Kind: KindUp, Severity: notify.Info, Matter: "provider/" + row.ID.String(), State: "up", Over: true,
		Title: row.Name + " answers again", Details: map[string]string{"provider": row.Name},
	}
	if c.Open != nil {
		params.State, params.Error = string(Unhealthy), c.Open.Why.String()
		m.Kind, m.Severity, m.State, m.Over = KindDown, notify.Error, "down", false
		m.Title = row.Name + " is out of use: " + c.Open.Why.String()
		m.Text = "Too many calls failed there. Requests go elsewhere where they can; it is tried again every few seconds."
		m.Details["reason"] = c.Open.Why.String()
	}
	_, err := p.store(ctx, row.Slug, params)
	return m, err
}

// observeModel tells of a model that is gone, if it is one that somebody set up: callers may ask for any name.
func (p *Providers) observeModel(ctx context.Context, row db.Provider, c health.Change) (m notify.Message, err error) {
	if c.Open != nil && c.Open.Why != health.NoModel {
		return m, nil
	}
	known, err := p.q.ProviderModelKnown(ctx, p.pool, db.ProviderModelKnownParams{ProviderID: row.ID, UpstreamID: c.Place.Model})
	if err != nil || !known {
		return m, db.Classify(err)
	}
	m = notify.Message{
		Kind: KindModelBack, Severity: notify.Info, State: "there", Over: true,
		Matter:  "model/" + row.ID.String() + "/" + c.Place.Model,
		Title:   fmt.Sprintf("%s has the model %s again", row.Name, c.Place.Model),
		Details: map[string]string{"provider": row.Name, "model": c.Place.Model},
	}
	if c.Open != nil {
		m.Kind, m.Severity, m.State, m.Over = KindModelGone, notify.Warning, "gone", false
		m.Title = fmt.Sprintf("%s no longer has the model %s", row.Name, c.Place.Model)
		m.Text = "It answers that there is no such model. Requests go elsewhere where they can."
	}
	return m, nil
}

// observeKey has a key checked that was refused: one call does not say whether it is dead. What the check finds is told.
func (p *Providers) observeKey(ctx context.Context, row db.Provider, c health.Change) (m notify.Message, err error) {
	if c.Open == nil {
		return notify.Message{
			Kind: KindKeyTaken, Severity: notify.Info, Matter: callMatter(c.Place.Key), State: "taken", Over: true,
			Title:   row.Name + " takes calls with a key again that it had refused",
			Details: map[string]string{"provider": row.Name},
		}, nil
	}
	if why := c.Open.Why; why != health.Unauthorized && why != health.Forbidden && why != health.OutOfQuota {
		return m, nil
	}
	args := KeyCheckArgs{KeyID: c.Place.Key}
	if c.Open.Asked {
		args.Until = c.Open.Until
	}
	if _, err := p.jobs.Insert(ctx, args, nil); err != nil {
		return m, fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return m, nil
}
