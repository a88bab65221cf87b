-- Sends the requests of a file, one a line: method, path and body with blanks between. Arguments: the file, where in it to
-- begin, and for how long a connection rests after an answer on average, ms.

local requests = {}
local next_one = 0

function init(arguments)
  local headers = { ["content-type"] = "application/json" }
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
  local rest = tonumber(arguments[2])
  if rest > 0 then
    math.randomseed(11)
    -- As of clients that do not wait for each other.
    function delay() return math.floor(-rest * math.log(1 - math.random()) + 0.5) end
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.3f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
