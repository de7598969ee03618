-- The audit log holds changes of persons and of the command line too; a person reads their own.
CREATE INDEX audit_log_by_operator ON audit_log (operator, at);
