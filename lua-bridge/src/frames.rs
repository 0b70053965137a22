//! The frames of a Lua that stands still, read and written through Lua's debug interface, for which mlua has no safe
//! functions. Everything unsafe about debugging is here.
//!
//! What makes it sound: the calls are those that Lua documents for hooks and message handlers; `lua_getlocal` and its kin
//! raise no errors, so nothing jumps over a Rust frame; room on the stack is asked for before anything is pushed; and
//! [`Lua::exec_raw`] runs it all in a protected call of the state whose frames are meant.

use std::ffi::CStr;

use mlua::{Lua, MultiValue, Value, ffi};

/// Lua's own bound on locals and upvalues of a function, and some room.
const SLOTS: i32 = 300;

/// Inside of [`Lua::exec_raw`] there is one frame more.
const OWN: usize = 1;

/// A variable of a function.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub name: String,
    pub value: Value,
    /// Its number, counted as Lua counts.
    slot: i32,
}

/// The variables that a function at a level declares, in the order of the code.
pub(crate) fn locals(lua: &Lua, level: usize) -> mlua::Result<Vec<Variable>> {
    read(lua, level, false)
}

/// The variables that a function at a level uses and that functions around it declare.
pub(crate) fn upvalues(lua: &Lua, level: usize) -> mlua::Result<Vec<Variable>> {
    read(lua, level, true)
}

fn read(lua: &Lua, level: usize, upvalues: bool) -> mlua::Result<Vec<Variable>> {
    let level = i32::try_from(level + OWN).unwrap_or(i32::MAX);
    let mut names: Vec<String> = Vec::new();
    let found = &mut names;
    // SAFETY: see the module. The record is filled by `lua_getstack` before it is read; names are copied while the frame
    // that owns them stands still. The values that are pushed are what `exec_raw` returns.
    let values: MultiValue = unsafe {
        lua.exec_raw((), |state| {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_checkstack(state, SLOTS) == 0 || ffi::lua_getstack(state, level, &mut record) == 0 {
                return;
            }
            let function = ffi::lua_gettop(state) + 1;
            if upvalues {
                ffi::lua_getinfo(state, c"f".as_ptr(), &mut record);
            }
            for slot in 1..SLOTS {
                let name = match upvalues {
                    true => ffi::lua_getupvalue(state, function, slot),
                    false => ffi::lua_getlocal(state, &record, slot),
                };
                if name.is_null() {
                    break;
                }
                found.push(CStr::from_ptr(name).to_string_lossy().into_owned());
            }
            if upvalues {
                ffi::lua_remove(state, function);
            }
        })?
    };
    let named = names.into_iter().zip(values).zip(1..);
    let variables = named.map(|((name, value), slot)| Variable { name, value, slot });
    // Lua's own temporaries have names in brackets.
    Ok(variables.filter(|variable| !variable.name.starts_with('(') && variable.name != "_ENV").collect())
}

/// Gives a variable that [`locals`] or [`upvalues`] found at this level another value.
pub(crate) fn write(lua: &Lua, level: usize, variable: &Variable, upvalue: bool, value: &Value) -> mlua::Result<()> {
    let level = i32::try_from(level + OWN).unwrap_or(i32::MAX);
    let slot = variable.slot;
    // SAFETY: see the module. The value is the only argument, at index 1; a slot that is not there leaves all as it is.
    unsafe {
        lua.exec_raw::<()>(value, |state| {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_checkstack(state, SLOTS) != 0 && ffi::lua_getstack(state, level, &mut record) != 0 {
                if upvalue {
                    ffi::lua_getinfo(state, c"f".as_ptr(), &mut record);
                    ffi::lua_pushvalue(state, 1);
                    ffi::lua_setupvalue(state, -2, slot);
                } else {
                    ffi::lua_pushvalue(state, 1);
                    ffi::lua_setlocal(state, &record, slot);
                }
            }
            ffi::lua_settop(state, 0);
        })
    }
}
