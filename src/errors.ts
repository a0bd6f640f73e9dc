/** One catalogue of everything that can go wrong: code, HTTP status, and a sentence that says what to do. */
export const catalogue = {
  unknown_image: 404,
  unknown_model: 404,
  unknown_label: 404,
  unknown_strategy: 404,
  unknown_method: 404,
  not_found: 404,
  bad_params: 422,
  bad_click: 422,
  bad_label_name: 422,
  bad_identifier: 422,
  bad_request: 400,
  not_authenticated: 401,
  not_allowed: 403,
  too_many: 429,
  bad_volume: 422,
  unsupported_transfer_syntax: 422,
  too_large: 413,
  unsupported_output: 422,
  sessions_off: 406,
  tasks_off: 406,
  not_implemented: 501,
  superseded: 409,
  task_running: 429,
  task_stopped: 409,
  busy: 503,
  queue_gone: 503,
  closing: 503,
  not_ready: 503,
  login_unavailable: 503,
  slice_locked: 409,
  nothing_clicked: 409,
  nothing_drawn: 400,
  disk_full: 507,
  engine_died: 503,
  engine_timeout: 504,
  engine_cancelled: 499,
  engine_failed: 500,
  preempted: 503,
  out_of_memory: 507,
  bad_model: 500,
  archive_unreachable: 502,
  archive_denied: 502,
  archive_answer: 502,
  archive_timeout: 504,
  cache_full: 507,
} as const;

export type ErrorCode = keyof typeof catalogue;

/** An error that a caller may see. `message` says what is wrong and what to do; it holds no path of the server. */
export class LimnetError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  /** Seconds after which it is worth trying again, where that is known. */
  readonly retryAfter?: number;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { retryAfter?: number }) {
    super(message, options);
    this.name = "LimnetError";
    this.code = code;
    this.status = catalogue[code];
    this.retryAfter = options?.retryAfter ?? (this.status === 503 ? 5 : undefined);
  }
}
