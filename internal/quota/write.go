package quota

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// Create makes a limit, which every node holds within a second. One of the same subject, dimension and window is a
// Conflict. Only admins may.
func (l *Limits) Create(ctx context.Context, in LimitInput) (Limit, error) {
	if _, err := authz.Require(ctx, authz.LimitWrite); err != nil {
		return Limit{}, err
	}
	if in.Of = strings.TrimSpace(in.Of); in.Dimension == Concurrency && in.Window == "" {
		in.Window = Call
	}
	if err := in.check(); err != nil {
		return Limit{}, err
	}
	var made Limit
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		if err := l.hasRoom(ctx, tx); err != nil {
			return err
		}
		subject, label, err := l.find(ctx, tx, in)
		if err != nil {
			return err
		}
		params := db.InsertLimitParams{
			ID: id.New[id.Limit](), Subject: string(in.Subject), EachUser: in.EachUser, Dimension: string(in.Dimension),
			LimitWindow: string(in.Window), Amount: Limit{Amount: in.Amount, Spend: in.Spend}.amount(), RedisAway: Limit{Closed: in.Closed}.redisAway(), SubjectID: subject,
		}
		if in.Subject.named() {
			params.SubjectName = in.Of
		}
		row, err := l.q.InsertLimit(ctx, tx, params)
		if db.Violates(err, "limits_subject_key") {
			return fault.Wrap(err, fault.Conflict, "there is such a limit already: change that one")
		}
		if err != nil {
			return err
		}
		made = FromRow(row)
		made.Label = label
		return l.audit.Record(ctx, tx, "limit.create", made.ID.String(), describe(made))
	})
	if err != nil {
		return Limit{}, fmt.Errorf("create limit: %w", db.Classify(err))
	}
	return made, nil
}

// find is the id of the subject, where it has one, and what people call it.
func (l *Limits) find(ctx context.Context, tx pgx.Tx, in LimitInput) (*uuid.UUID, string, error) {
	if in.Subject.named() {
		return nil, in.Of, nil
	}
	row, err := l.q.FindLimitSubject(ctx, tx, db.FindLimitSubjectParams{Subject: string(in.Subject), ID: in.Subject.ID(in.Of), Name: in.Of})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, "", fault.Field("of", "there is no such %s", in.Subject)
	}
	return &row.ID, row.Name, err
}

// ID reads the typed id of a key, user or provider. What is none of this subject is the zero one, which nothing has.
func (s Subject) ID(text string) uuid.UUID {
	switch s {
	case Key:
		return parsed[id.Key](text)
	case User:
		return parsed[id.User](text)
	case Provider:
		return parsed[id.Provider](text)
	case Role, Model, Tag:
	}
	return uuid.Nil
}

// parsed is the id that a text is, or the zero one, which nothing has.
func parsed[T interface {
	~struct{ uuid.UUID }
	String() string
}](text string) uuid.UUID {
	found, _ := id.Parse[T](text)
	return struct{ uuid.UUID }(found).UUID
}

// Update changes a limit, on every node within a second. What was counted stays. Only admins may.
func (l *Limits) Update(ctx context.Context, limit id.Limit, in LimitChange) (Limit, error) {
	if _, err := authz.Require(ctx, authz.LimitWrite); err != nil {
		return Limit{}, err
	}
	var changed Limit
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		row, err := l.q.GetLimitForUpdate(ctx, tx, limit)
		if err != nil {
			return err
		}
		old := FromRow(row)
		changed = old
		if in.Amount != nil {
			changed.Amount = *in.Amount
		}
		if in.Spend != nil {
			changed.Spend = *in.Spend
		}
		if in.Closed != nil {
			changed.Closed = *in.Closed
		}
		if err := changed.check(); err != nil {
			return err
		}
		if _, err = l.q.UpdateLimit(ctx, tx, db.UpdateLimitParams{ID: limit, Amount: changed.amount(), RedisAway: changed.redisAway()}); err != nil {
			return err
		}
		if changed.Dimension == Spend {
			if err := credit.ChangeBudgetTx(ctx, tx, limit.UUID, changed.Budget()); err != nil {
				return err
			}
		}
		return l.audit.Record(ctx, tx, "limit.update", limit.String(), map[string]any{"from": describe(old), "to": describe(changed)})
	})
	if err != nil {
		return Limit{}, fmt.Errorf("update limit: %w", db.Classify(err))
	}
	return l.Get(ctx, limit)
}

// check holds what can be changed to the rules.
func (l Limit) check() error {
	return LimitInput{
		Subject: l.Subject, Of: l.SubjectName, EachUser: l.EachUser, Dimension: l.Dimension, Window: l.Window, Amount: l.Amount, Spend: l.Spend, Closed: l.Closed,
	}.check()
}

// Delete removes a limit, on every node within a second. Only admins may.
func (l *Limits) Delete(ctx context.Context, limit id.Limit) error {
	if _, err := authz.Require(ctx, authz.LimitWrite); err != nil {
		return err
	}
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) error {
		row, err := l.q.GetLimitForUpdate(ctx, tx, limit)
		if err != nil {
			return err
		}
		if err := l.q.DeleteLimit(ctx, tx, limit); err != nil {
			return err
		}
		return l.audit.Record(ctx, tx, "limit.delete", limit.String(), describe(FromRow(row)))
	})
	if err != nil {
		return fmt.Errorf("delete limit: %w", db.Classify(err))
	}
	return nil
}

// hasRoom refuses a limit more than MaxLimits. A few more may come of administrators at the same moment.
func (l *Limits) hasRoom(ctx context.Context, tx pgx.Tx) error {
	n, err := l.q.CountAllLimits(ctx, tx)
	if err != nil {
		return fmt.Errorf("count limits: %w", err)
	}
	if n >= MaxLimits {
		return fault.New(fault.Conflict, "there are at most %d limits: delete one first", MaxLimits)
	}
	return nil
}

// describe is a limit as the audit log keeps it.
func describe(l Limit) map[string]any {
	of := l.SubjectName
	if of == "" {
		of = l.SubjectText()
	}
	details := map[string]any{"subject": l.Subject, "of": of, "eachUser": l.EachUser, "dimension": l.Dimension, "window": l.Window}
	if l.Dimension == Spend {
		details["spend"] = l.Spend
	} else {
		details["amount"], details["redisAway"] = l.Amount, l.redisAway()
	}
	return details
}

// SubjectText is the typed id of a key, user or provider; empty of others.
func (l Limit) SubjectText() string {
	switch l.Subject {
	case Key:
		return id.Key{UUID: l.SubjectID}.String()
	case User:
		return id.User{UUID: l.SubjectID}.String()
	case Provider:
		return id.Provider{UUID: l.SubjectID}.String()
	case Role, Model, Tag:
	}
	return ""
}
