package graph

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"aihigress/graph/model"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/statement"
)

// statementDimensions are what statements can be grouped by.
var statementDimensions = map[model.StatementDimension]statement.Dimension{
	model.StatementDimensionUser:     statement.ByUser,
	model.StatementDimensionAPIKey:   statement.ByKey,
	model.StatementDimensionModel:    statement.ByModel,
	model.StatementDimensionProvider: statement.ByProvider,
	model.StatementDimensionTag:      statement.ByTag,
	model.StatementDimensionDay:      statement.ByDay,
}

func statementPeriod(in model.StatementPeriodInput) (statement.Period, error) {
	switch {
	case in.Month != nil && (in.FirstDay != nil || in.LastDay != nil):
		return statement.Period{}, fault.Field("period", "a period is a month or days, not both")
	case in.Month != nil:
		return statement.Month(*in.Month)
	}
	return statement.Days(orZero(in.FirstDay), orZero(in.LastDay))
}

func (r *Resolver) statement(ctx context.Context, period model.StatementPeriodInput, by []model.StatementDimension, tag *string, filter *model.MetricFilter, lines *int) (*model.Statement, error) {
	in := statement.Input{Tag: orZero(tag), Filter: metricFilter(filter)}
	var err error
	if in.Period, err = statementPeriod(period); err != nil {
		return nil, err
	}
	if lines != nil {
		if in.Lines = *lines; in.Lines == 0 {
			in.Lines = -1 // no lines are no statement; in statement.Input zero is the default
		}
	}
	for _, d := range by {
		in.GroupBy = append(in.GroupBy, statementDimensions[d])
	}
	s, err := r.domain.Statements.Statement(ctx, in)
	if err != nil {
		return nil, err
	}
	return new(shownStatement(s)), nil
}

func (r *Resolver) monthlyStatement(ctx context.Context, user id.User, month string) (*model.MonthlyStatement, error) {
	period, err := statement.Month(month)
	if err != nil {
		return nil, err
	}
	m, err := r.domain.Statements.Monthly(ctx, user, period)
	if err != nil {
		return nil, err
	}
	owner, err := pointer(loadersOf(ctx).users.load(ctx, user))
	if err != nil {
		return nil, err
	}
	return &model.MonthlyStatement{
		Month: m.Month(), User: owner, Opening: m.Opening, Closing: m.Closing, Ledger: m.Ledger, Over: m.Over,
		ByModel: shownStatement(m.ByModel), ByDay: shownStatement(m.ByDay),
	}, nil
}

func shownStatement(s statement.Statement) model.Statement {
	shown := model.Statement{
		FirstDay: s.From.Format(time.DateOnly), LastDay: s.Last().Format(time.DateOnly), Lines: []model.StatementLine{},
		Rest: sums(s.Rest, s.Costs), More: s.More, Total: sums(s.Total, s.Costs), Ledger: s.Ledger, Uncounted: s.Uncounted(),
	}
	for _, l := range s.Lines {
		shown.Lines = append(shown.Lines, model.StatementLine{Labels: statementLabels(l.Group), Sums: sums(l.Sums, s.Costs)})
	}
	return shown
}

func sums(s statement.Sums, costs bool) model.StatementSums {
	shown := model.StatementSums{
		Requests: s.Requests, Errors: s.Errors, Refused: s.Refused, Unpriced: s.Unpriced, InputTokens: s.Input + s.CachedInput + s.CacheWrite,
		CachedInputTokens: s.CachedInput, CacheWriteTokens: s.CacheWrite, OutputTokens: s.Output, ReasoningTokens: s.Reasoning, Charge: s.Charge,
	}
	if costs {
		shown.Cost, shown.Margin = new(s.Cost), new(s.Margin())
	}
	return shown
}

// statementLabels name a group in the order of the schema's dimensions.
func statementLabels(g statement.Group) []model.StatementLabel {
	list := []model.StatementLabel{}
	add := func(d model.StatementDimension, value string) {
		list = append(list, model.StatementLabel{Dimension: d, Value: value})
	}
	if g.UserID != nil {
		add(model.StatementDimensionUser, g.UserID.String())
	}
	if g.KeyID != nil {
		add(model.StatementDimensionAPIKey, g.KeyID.String())
	}
	if g.Model != nil {
		add(model.StatementDimensionModel, *g.Model)
	}
	switch {
	case g.ProviderID == nil:
	case g.ProviderID.IsZero():
		add(model.StatementDimensionProvider, "")
	default:
		add(model.StatementDimensionProvider, g.ProviderID.String())
	}
	if g.Tag != nil {
		add(model.StatementDimensionTag, *g.Tag)
	}
	if g.Day != nil {
		add(model.StatementDimensionDay, g.Day.Format(time.DateOnly))
	}
	return list
}

func (r *Resolver) reconcileUsage(ctx context.Context, input model.ReconcileUsageInput) (*model.Reconciliation, error) {
	in := statement.ReconcileInput{
		Table: strings.NewReader(input.Table), Columns: statement.Columns{}, Names: map[string]string{}, Tolerance: orZero(input.Tolerance),
	}
	if input.ProviderID != nil {
		in.ProviderID = new(id.Provider(*input.ProviderID))
	}
	if input.Period != nil {
		var err error
		if in.Period, err = statementPeriod(*input.Period); err != nil {
			return nil, err
		}
	}
	for _, c := range input.Columns {
		in.Columns[c.Figure] = c.Columns
	}
	for _, m := range input.Models {
		in.Names[m.Theirs] = m.Ours
	}
	found, err := r.domain.Statements.Reconcile(ctx, in)
	if err != nil {
		return nil, err
	}
	return reconciliation(found), nil
}

func reconciliation(r statement.Reconciliation) *model.Reconciliation {
	shown := &model.Reconciliation{
		FirstDay: r.From.Format(time.DateOnly), LastDay: r.Last().Format(time.DateOnly), Columns: []model.VendorColumns{}, Rows: r.Rows,
		Empty: r.Empty, Outside: r.Outside, BadRows: r.BadRows, Bad: []model.BadRow{}, Agreeing: r.Agreeing,
		Differences: []model.UsageDifference{}, More: r.More, Totals: compared(r.Totals),
	}
	for _, f := range statement.Figures() {
		if len(r.Columns[f]) > 0 {
			shown.Columns = append(shown.Columns, model.VendorColumns{Figure: f, Columns: r.Columns[f]})
		}
	}
	for _, b := range r.Bad {
		shown.Bad = append(shown.Bad, model.BadRow{Line: b.Line, Column: filled(b.Column), Reason: b.Reason})
	}
	byModel := slices.ContainsFunc(shown.Columns, func(c model.VendorColumns) bool { return c.Figure == statement.FigureModel })
	for _, d := range r.Differences {
		one := model.UsageDifference{Day: d.Day.Format(time.DateOnly), Missing: filled(d.Missing), Figures: compared(d.Figures)}
		if byModel {
			one.Model = &d.Model
		}
		shown.Differences = append(shown.Differences, one)
	}
	return shown
}

func compared(figures []statement.Compared) []model.ComparedFigure {
	shown := []model.ComparedFigure{}
	for _, f := range figures {
		text := func(n int64) string {
			if f.Figure == statement.FigureCost {
				return money.Amount(n).String()
			}
			return strconv.FormatInt(n, 10)
		}
		shown = append(shown, model.ComparedFigure{
			Figure: f.Figure, Ours: text(f.Ours), Theirs: text(f.Theirs), Difference: text(f.Difference()), Differs: f.Differs,
		})
	}
	return shown
}
