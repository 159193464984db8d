package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// The jobs of the hub are in River's own tables of the same database, so that a job and what it is for are one
// transaction. The state that the wire tells is not the job's: a job may be begun again at any time, and finds a task
// that is finished already.

// TaskJob is to do a task.
type TaskJob struct {
	Task string `json:"task"`
}

// Kind implements river.JobArgs.
func (TaskJob) Kind() string { return "d3.task" }

// DeliveryJob is to deliver an event to a webhook.
type DeliveryJob struct {
	Delivery int64 `json:"delivery"`
}

// Kind implements river.JobArgs.
func (DeliveryJob) Kind() string { return "d3.delivery" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (DeliveryJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: deliveryQueue, MaxAttempts: DeliveryAttempts}
}

const deliveryQueue = "deliveries"

// DeliveryAttempts is how often an event is tried to be delivered.
const DeliveryAttempts = 8

// jobTime bounds one run of a job; a job that runs longer is that of a hub which died for good, and is begun anew.
const jobTime = 20 * time.Minute

// defaultPoll is how often jobs are looked for beyond those that River tells of, which it does within 50 ms of their
// transaction: those to be tried again.
const defaultPoll = 5 * time.Second

// JobsConfig is what does the jobs.
type JobsConfig struct {
	// ID names this hub among those of its database; it is the same after a restart, and no two that run have the same.
	ID      string
	Workers int // tasks at the same time; at least 1
	// Task does a task. An error is one of the hub, not of the conversion: the job is begun again later.
	Task func(ctx context.Context, id string) error
	// Deliver delivers an event once. After an error it is tried again.
	Deliver func(ctx context.Context, id int64) error
	// Wait is how long after try n, from 1, a job is begun again; nil: n⁴ seconds.
	Wait func(n int) time.Duration
	Poll time.Duration // how often jobs to be tried again are looked for; 0: 5 s
	Log  *slog.Logger
}

// Jobs is the queue of the hub's jobs.
type Jobs struct {
	id     string
	db     *sql.DB
	client *river.Client[*sql.Tx]
}

// retryPolicy is JobsConfig.Wait for River.
type retryPolicy func(n int) time.Duration

// NextRetry implements river.ClientRetryPolicy.
func (p retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	n := len(job.Errors) + 1
	if p == nil {
		return time.Now().Add(time.Duration(n*n*n*n) * time.Second)
	}
	return time.Now().Add(p(n))
}

// OpenJobs opens the queue. From then on operations can be added.
func (s *Store) OpenJobs(ctx context.Context, cfg JobsConfig) (*Jobs, error) {
	db, err := s.reopen(1, "synchronous(NORMAL)")
	if err != nil {
		return nil, err
	}
	j := &Jobs{id: cfg.ID, db: db}
	if j.client, err = newClient(ctx, db, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("jobs: %w", err), db.Close())
	}
	s.jobs = j
	return j, nil
}

func newClient(ctx context.Context, db *sql.DB, cfg JobsConfig) (*river.Client[*sql.Tx], error) {
	driver := riversqlite.New(db)
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: cfg.Log})
	if err != nil {
		return nil, err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	again := func(ctx context.Context, err error) error {
		if err != nil && ctx.Err() != nil {
			return river.JobSnooze(0) // the hub ends; it is no failure of the job
		}
		return err
	}
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[TaskJob]) error {
		return again(ctx, cfg.Task(ctx, job.Args.Task))
	}))
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[DeliveryJob]) error {
		return again(ctx, cfg.Deliver(ctx, job.Args.Delivery))
	}))
	poll := cmp.Or(cfg.Poll, defaultPoll)
	return river.NewClient(driver, &river.Config{
		ID: cfg.ID, Workers: workers, Logger: cfg.Log, RetryPolicy: retryPolicy(cfg.Wait),
		FetchPollInterval: poll, FetchCooldown: fetchCooldown,
		JobTimeout: jobTime, RescueStuckJobsAfter: jobTime + time.Minute,
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: max(cfg.Workers, 1)},
			deliveryQueue:      {MaxWorkers: 4},
		},
	})
}

// fetchCooldown is the least time between two looks for jobs.
const fetchCooldown = 5 * time.Millisecond

// stopWait bounds how long Run waits for jobs that were told to end.
const stopWait = 10 * time.Second

// Run does jobs until ctx ends. What this hub was doing when it died is begun again first.
func (j *Jobs) Run(ctx context.Context) error {
	if _, err := j.db.ExecContext(ctx, `UPDATE river_job SET state = 'available'
		WHERE state = 'running' AND json_extract(attempted_by, '$[#-1]') = ?`, j.id); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("jobs: %w", err)
	}
	if err := j.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if err := j.client.StopAndCancel(stop); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	return nil
}

// Close closes the queue. Run must have ended.
func (j *Jobs) Close() error { return j.db.Close() }

// enqueue adds a job to the transaction.
func (t *tx) enqueue(ctx context.Context, job river.JobArgs) error {
	if t.s.jobs == nil {
		return errors.New("this hub has no queue of jobs")
	}
	_, err := t.s.jobs.client.InsertTx(context.WithoutCancel(ctx), t.t, job, nil)
	return err
}
